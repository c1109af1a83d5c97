import { createHash } from 'node:crypto'
import { quoteIdentifier, showTable, type TableName } from '@ficus/core/sql/identifier'
import type { ShapedFlow } from '../copy/first-copy.ts'
import type { Flow } from '../mapping/flow.ts'
import type { ColumnShape, TableShape } from '../mapping/table-shape.ts'
import { columnsSeen } from './read-columns.ts'

/** The schema that holds the mirrors of all capabilities of a target database. */
export const MIRROR_SCHEMA = 'ficus_mirror'

export function isMirror({ to }: Pick<Flow, 'to'>): boolean {
  return to.schema === MIRROR_SCHEMA
}

/**
 * A source table kept, as replicated, beside the target: the columns that mappings with `reads` need, under the source's
 * key. It is filled and written by a flow like any other, whose expressions are the columns themselves.
 */
export interface Mirror extends ShapedFlow {
  /** The target tables whose rows are computed from it. */
  readonly feeds: readonly TableName[]
  /** The columns by which rows are looked up, besides the key. */
  readonly indexes: readonly (readonly string[])[]
}

/**
 * The mirrors that a capability's flows need: one for each table that a mapping with `reads` comes from or looks into.
 * @param flows whose reads know their columns.
 */
export function planMirrors(capability: string, flows: readonly ShapedFlow[]): Mirror[] {
  const needs = new Map<string, Need>()
  const needOf = (shape: TableShape) => {
    const name = showTable(shape.name)
    const need: Need = needs.get(name) ?? {
      shape,
      columns: new Set(mirrorKey(shape) ?? []),
      lookups: [],
      feeds: new Map(),
    }
    needs.set(name, need)
    return need
  }
  for (const { flow, source, reads } of flows) {
    if (flow.reads.length === 0) continue
    const own = needOf(source)
    add(own, [...keyOf(flow), ...columnsSeen(flow, flow.from.table, namesOf(source))])
    own.lookups.push(keyOf(flow))
    own.feeds.set(showTable(flow.to), flow.to)
    for (const [index, { matches, columns }] of flow.reads.entries()) {
      const shape = reads[index]
      if (shape === undefined) throw new TypeError(`${flow.path}: the tables it reads were not looked at`)
      const need = needOf(shape)
      add(need, columns)
      need.feeds.set(showTable(flow.to), flow.to)
      for (const match of matches) {
        need.lookups.push(match.map(({ column }) => column))
        const equals = match.map(column => column.equals)
        add(own, equals)
        own.lookups.push(equals)
      }
    }
  }
  return [...needs.values()].map(need => mirrorOf(capability, need))
}

interface Need {
  readonly shape: TableShape
  readonly columns: Set<string>
  readonly lookups: string[][]
  readonly feeds: Map<string, TableName>
}

function add(need: Need, columns: readonly string[]): void {
  for (const column of columns) need.columns.add(column)
}

function mirrorOf(capability: string, { shape, columns, lookups, feeds }: Need): Mirror {
  const key = mirrorKey(shape) ?? []
  const kept = shape.columns.filter(column => columns.has(column.name) && !column.generated)
  const values = kept.map(column => column.name).filter(name => !key.includes(name))
  const table = { schema: MIRROR_SCHEMA, table: mirrorName(capability, shape.name) }
  const flow: Flow = {
    path: `the mirror of ${showTable(shape.name)}`,
    from: shape.name,
    to: table,
    key: key.map(name => ({ from: name, to: name })),
    where: null,
    columns: [...key, ...values].map(name => ({ to: name, expression: quoteIdentifier(name) })),
    reads: [],
  }
  return {
    flow,
    source: shape,
    target: mirrorShape(table, kept, key),
    reads: [],
    feeds: [...feeds.values()],
    indexes: indexesFor(lookups, key),
  }
}

/**
 * The columns that tell a table's rows apart in its mirror, or null where there are none: its replica identity, since a
 * deletion tells no more; with a full one, any unique key.
 */
export function mirrorKey({ replicaIdentity, uniqueKeys, columns }: TableShape): readonly string[] | null {
  const neverNull = (key: readonly string[]) =>
    key.every(name => columns.some(column => column.name === name && column.notNull))
  if (replicaIdentity.kind === 'full') return uniqueKeys.find(neverNull) ?? null
  return replicaIdentity.columns.length > 0 ? replicaIdentity.columns : null
}

/**
 * `catalog:public.products`; where that is too long for PostgreSQL, a hash stands for the table. A capability's own name
 * holds no colon, so no two share a mirror.
 */
export function mirrorName(capability: string, table: TableName): string {
  const name = `${capability}:${showTable(table)}`
  if (Buffer.byteLength(name) <= 63) return name
  return `${capability}:${createHash('sha256').update(showTable(table)).digest('hex').slice(0, 16)}`
}

/** Columns have the types that staging has: those of the source, or text where only the source knows the type. */
function mirrorShape(name: TableName, columns: readonly ColumnShape[], key: readonly string[]): TableShape {
  return {
    name,
    oid: 0,
    kind: 'table',
    columns: columns.map(column => ({
      ...column,
      type: column.wireType,
      fullType: column.wireType,
      notNull: key.includes(column.name),
      hasDefault: false,
      generated: false,
      identityAlways: false,
      binary: column.binary || column.wireType === 'text',
    })),
    uniqueKeys: [key],
    replicaIdentity: { kind: 'default', columns: key },
    estimatedRows: 0,
    pages: 0,
    owned: true,
    storage: { parts: {}, columns: {} },
  }
}

/** Each list of columns once, without those that an index on the key serves. */
function indexesFor(lookups: readonly string[][], key: readonly string[]): string[][] {
  const served = (columns: readonly string[]) => {
    const first = key.slice(0, columns.length)
    return columns.length <= key.length && columns.every(column => first.includes(column))
  }
  const byName = new Map(lookups.map(columns => [JSON.stringify(columns), columns]))
  return [...byName.values()].filter(columns => !served(columns))
}

function keyOf(flow: Flow): string[] {
  return flow.key.map(({ from }) => from)
}

function namesOf(shape: TableShape): string[] {
  return shape.columns.map(column => column.name)
}
