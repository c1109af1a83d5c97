import { quoteIdentifier, showTable } from '@ficus/core/sql/identifier'
import type { ShapedFlow } from '../copy/first-copy.ts'
import { type Mirror, planMirrors } from '../mirror/mirror-plan.ts'
import { readsClause } from '../mirror/reads-sql.ts'
import { computedColumns, isComputed } from './computed-rows.ts'
import { columnOf, OPERATION_COLUMN } from './merge-sql.ts'

/**
 * Temporary tables of the target that a mapping's statements can be checked against before there are staging tables and
 * mirrors.
 */
export interface StandIns {
  /** For the flow's own table: its staging table, or its mirror. Quoted, as the others. */
  readonly from: string
  /** For the tables it reads. */
  readonly reads: readonly string[]
  /** For the keys whose target rows may have changed. */
  readonly affected: string
  /** For the rows that the flow's function makes; null where it has none. */
  readonly computed: string | null
  /** The columns of `from` that expressions see. */
  readonly columns: readonly string[]
  /** What goes before a SELECT whose expressions look into the tables read. */
  readonly clause: string
  readonly tables: readonly { readonly table: string; readonly create: string }[]
}

export function standIns(shaped: ShapedFlow): StandIns {
  const { flow, source } = shaped
  const mirrors = planMirrors('check', [shaped])
  const mirrorOf = (table: ShapedFlow['source']) =>
    mirrors.find(mirror => showTable(mirror.source.name) === showTable(table.name))
  const own = mirrorOf(source)
  const staged = source.columns.map(({ name, wireType }) => ({ name, type: wireType }))
  const columns = own?.target.columns ?? staged
  const from = temporary('ficus_staging', columns, `${OPERATION_COLUMN} int2, `)
  const reads = shaped.reads.map((read, index) =>
    temporary(`ficus_read_${index + 1}`, (mirrorOf(read) ?? missing(read)).target.columns),
  )
  const keys = own === undefined ? [] : flow.key.map(key => columnOf(own.target, key.from))
  const affected = temporary('ficus_affected', keys)
  const computed = isComputed(flow) ? made('ficus_computed', computedColumns(flow, shaped.target)) : null
  const staging = computed === null ? [from] : [from, computed]
  return {
    from: from.table,
    reads: reads.map(({ table }) => table),
    affected: affected.table,
    computed: computed?.table ?? null,
    columns: columns.map(({ name }) => name),
    clause: readsClause(flow, read => reads[flow.reads.indexOf(read)]?.table ?? ''),
    tables: own === undefined ? staging : [from, ...reads, affected],
  }
}

function temporary(name: string, columns: readonly { name: string; type: string }[], first = '') {
  const list = columns.map(column => `${quoteIdentifier(column.name)} ${column.type}`).join(', ')
  return made(name, `${first}${list}`)
}

function made(name: string, columns: string) {
  const create = `CREATE TEMPORARY TABLE ${quoteIdentifier(name)} (${columns})`
  return { table: `pg_temp.${quoteIdentifier(name)}`, create }
}

function missing(read: ShapedFlow['source']): Mirror {
  throw new TypeError(`${read.name.table} has no mirror`)
}
