import { showTable } from '@ficus/core/sql/identifier'
import { columnsRead } from './expression-columns.ts'
import { type Direction, type Flow, type KeyColumn, keyExpressions, targetKey } from './flow.ts'
import type { MappingProblem } from './parse-sync.ts'
import type { TableShape } from './table-shape.ts'

/**
 * What is wrong with a flow's tables, keys and columns, as both catalogs have them; expressions are not looked at.
 * @param from null where the table does not exist, as `to`.
 */
export function checkTables(
  flow: Flow,
  from: TableShape | null,
  to: TableShape | null,
  direction: Direction,
): MappingProblem[] {
  const [fromSide, toSide] = direction === 'forward' ? (['source', 'target'] as const) : (['target', 'source'] as const)
  const problems = [...checkPresence(flow, from, `${flow.path}.${fromSide}`, flow.from)]
  problems.push(...checkPresence(flow, to, `${flow.path}.${toSide}`, flow.to))
  if (from !== null) problems.push(...checkSourceKey(flow, from), ...checkComputedKey(flow, from, direction))
  if (to !== null) problems.push(...checkTarget(flow, to, direction))
  return problems
}

/** What is wrong with the table that a flow writes to. */
export function checkTarget(flow: Flow, to: TableShape, direction: Direction): MappingProblem[] {
  return [...checkTargetKey(flow, to), ...checkTargetColumns(flow, to, direction)]
}

/**
 * What of a flow both servers can be asked about, whatever else is wrong with it: all but the columns that its target does
 * not take. Null where a table or a key is not as the mapping has it, on which all else depends.
 */
export function askablePart(flow: Flow, from: TableShape, to: TableShape): Flow | null {
  const keys = targetKey(flow)
  const takes = (name: string) => to.columns.some(column => column.name === name && !column.generated)
  const has = (name: string) => from.columns.some(column => column.name === name)
  if (from.kind === 'other' || to.kind === 'other') return null
  if (!flow.key.every(key => has(key.from)) || !keys.every(key => takes(key.to))) return null
  return { ...flow, columns: flow.columns.filter(column => takes(column.to)) }
}

function checkPresence(
  _flow: Flow,
  shape: TableShape | null,
  path: string,
  name: { schema: string; table: string },
): MappingProblem[] {
  if (shape === null) {
    return [
      {
        path,
        problem: `there is no table ${showTable(name)}`,
        remedy: 'Correct the name, or migrate that database first.',
      },
    ]
  }
  if (shape.kind !== 'other') return []
  return [
    { path, problem: `${showTable(name)} is not an ordinary table`, remedy: 'Name the table that holds the rows.' },
  ]
}

function checkSourceKey(flow: Flow, from: TableShape): MappingProblem[] {
  const path = `${flow.path}.key`
  const table = showTable(flow.from)
  const key = flow.key.map(column => column.from)
  const unknown = key.filter(name => from.columns.every(column => column.name !== name))
  if (unknown.length > 0) {
    return [
      { path, problem: `${table} has no column ${unknown.join(', ')}`, remedy: 'Name the columns of its primary key.' },
    ]
  }
  const { kind, columns: identity } = from.replicaIdentity
  if (identity.length === 0) {
    return [
      {
        path,
        problem: `${table} has no replica identity (${kind === 'nothing' ? 'it is NOTHING' : 'it has no primary key'}): once published, PostgreSQL would refuse its updates and deletes`,
        remedy: `Add a primary key, or run ALTER TABLE ${table} REPLICA IDENTITY FULL.`,
      },
    ]
  }
  const problems: MappingProblem[] = []
  const untold = key.filter(name => !identity.includes(name))
  if (untold.length > 0) {
    problems.push({
      path,
      problem: `a deletion in ${table} does not tell ${untold.join(', ')}: its replica identity is ${identity.join(', ')}`,
      remedy: `Map the replica identity's columns, or run ALTER TABLE ${table} REPLICA IDENTITY USING INDEX … (or FULL).`,
    })
  }
  const isUnique = from.uniqueKeys.some(unique => unique.every(name => key.includes(name)))
  if (!isUnique && (from.uniqueKeys.length > 0 || kind !== 'full')) {
    problems.push({
      path,
      problem: `${table} is not unique by ${key.join(', ')}`,
      remedy: `Use the columns of a unique index: ${from.uniqueKeys.map(unique => unique.join(', ')).join(' | ')}.`,
    })
  }
  const nullable = from.columns.filter(column => key.includes(column.name) && !column.notNull)
  if (nullable.length > 0) {
    problems.push({
      path,
      problem: `key column ${nullable.map(column => column.name).join(', ')} of ${table} may be null`,
      remedy: 'Use a key whose columns are NOT NULL: a row whose key is null is never found again.',
    })
  }
  return problems
}

/** Where a computed key stands in the sync file: under the source's column, whichever the direction. */
export function computedKeyPath(flow: Flow, { from, to }: KeyColumn, direction: Direction): string {
  return `${flow.path}.key.${direction === 'forward' ? from : to}.${direction}`
}

/** Of a deleted row only the key is known. */
function checkComputedKey(flow: Flow, from: TableShape, direction: Direction): MappingProblem[] {
  const key = flow.key.map(column => column.from)
  const names = from.columns.map(column => column.name)
  return keyExpressions(flow).flatMap(({ expression }, index) => {
    const column = flow.key[index]
    if (!column?.computed) return []
    const others = [...columnsRead(expression, flow.from.table, names)].filter(name => !key.includes(name))
    if (others.length === 0) return []
    return [
      {
        path: computedKeyPath(flow, column, direction),
        problem: `reads ${others.join(', ')}: a deletion in ${showTable(flow.from)} tells the key alone`,
        remedy: `Compute ${column.to} from ${key.join(', ')}.`,
      },
    ]
  })
}

function checkTargetKey(flow: Flow, to: TableShape): MappingProblem[] {
  const path = `${flow.path}.key`
  const key = targetKey(flow).map(column => column.to)
  const isUnique = to.uniqueKeys.some(
    unique => unique.length === key.length && unique.every(name => key.includes(name)),
  )
  if (key.some(name => to.columns.every(column => column.name !== name))) return []
  const nullable = (flow.each?.key ?? []).filter(({ to: name }) => !to.columns.find(c => c.name === name)?.notNull)
  if (isUnique) {
    return nullable.map(({ to: name }) => ({
      path: `${flow.path}.each.key.${name}`,
      problem: `${showTable(flow.to)}.${name} may be null, and a row whose key is null is never found again`,
      remedy: `Run ALTER TABLE ${showTable(flow.to)} ALTER COLUMN ${name} SET NOT NULL.`,
    }))
  }
  return [
    {
      path,
      problem: `${showTable(flow.to)} has no unique index on ${key.join(', ')}`,
      remedy: `Make ${key.join(', ')} its primary key, or add a unique constraint.`,
    },
  ]
}

/** Where the column stands in the sync file. @param index in the flow's columns. */
export function columnPath(flow: Flow, index: number, direction: Direction): string {
  if (index < flow.key.length) return `${flow.path}.key`
  const name = flow.columns[index]?.to
  return index < targetKey(flow).length ? `${flow.path}.each.key.${name}` : `${flow.path}.${direction}.${name}`
}

function checkTargetColumns(flow: Flow, to: TableShape, direction: Direction): MappingProblem[] {
  const table = showTable(flow.to)
  const problems: MappingProblem[] = []
  for (const [index, { to: name }] of flow.columns.entries()) {
    const path = columnPath(flow, index, direction)
    const column = to.columns.find(candidate => candidate.name === name)
    if (column === undefined) {
      problems.push({
        path,
        problem: `${table} has no column ${name}`,
        remedy: 'Correct the name, or migrate that database first.',
      })
    } else if (column.generated) {
      problems.push({ path, problem: `${table}.${name} is computed by its database`, remedy: `Delete ${path}.` })
    }
  }
  for (const column of to.columns) {
    const isMapped = flow.columns.some(({ to: name }) => name === column.name) || flow.shared?.includes(column.name)
    if (isMapped || !column.notNull || column.hasDefault) continue
    problems.push({
      path: `${flow.path}.${direction}`,
      problem: `${table}.${column.name} is NOT NULL without a default, and the mapping leaves it out`,
      remedy: `Map ${column.name}, or give it a default.`,
    })
  }
  return problems
}
