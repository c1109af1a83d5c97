import { showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Flow, TableRead } from '../mapping/flow.ts'
import type { MappingProblem } from '../mapping/parse-sync.ts'
import type { TableShape } from '../mapping/table-shape.ts'
import { mirrorKey } from './mirror-plan.ts'

/**
 * What is wrong with the tables that a flow reads, and with their mirrors; expressions are not looked at.
 * @param reads null where the source has no such table; in the order of the flow's `reads`.
 */
export function checkReads(flow: Flow, source: TableShape, reads: readonly (TableShape | null)[]): MappingProblem[] {
  if (flow.reads.length === 0) return []
  const problems = checkKey(source, `${flow.path}.key`)
  for (const [index, read] of flow.reads.entries()) {
    const path = readPath(flow, read.table)
    const shape = reads[index] ?? null
    if (shape === null) {
      problems.push({
        path,
        problem: `there is no table ${showTable(read.table)}`,
        remedy: 'Correct the name, or migrate that database first.',
      })
    } else if (shape.kind === 'other') {
      const problem = `${showTable(read.table)} is not an ordinary table`
      problems.push({ path, problem, remedy: 'Read the tables that hold the rows.' })
    } else {
      problems.push(...checkKey(shape, path), ...checkColumns(read, source, shape, path))
    }
  }
  return problems
}

/** A table read, as a flow of which nothing is mapped: for what is checked of any table that rows come from. */
export function asRead(flow: Flow, { table }: TableRead): Flow {
  return { ...flow, path: readPath(flow, table), from: table, key: [], where: null, columns: [], reads: [] }
}

function readPath({ path }: Flow, table: TableName): string {
  return `${path}.reads[${JSON.stringify(showTable(table))}]`
}

function checkKey(shape: TableShape, path: string): MappingProblem[] {
  if (mirrorKey(shape) !== null) return []
  const table = showTable(shape.name)
  const { kind } = shape.replicaIdentity
  const why =
    kind === 'full' ? 'has no unique key whose columns are NOT NULL' : 'has no primary key or replica identity'
  return [
    {
      path,
      problem: `${table} ${why}: its mirror could not tell one row from another`,
      remedy: `Add a primary key, or run ALTER TABLE ${table} REPLICA IDENTITY USING INDEX ….`,
    },
  ]
}

function checkColumns({ matches }: TableRead, source: TableShape, shape: TableShape, path: string): MappingProblem[] {
  return matches
    .flat()
    .flatMap(({ column, equals }) => [...checkColumn(shape, column, path), ...checkColumn(source, equals, path)])
}

/** Rows are matched in both databases, so equality must mean the same in both. */
function checkColumn(shape: TableShape, name: string, path: string): MappingProblem[] {
  const table = showTable(shape.name)
  const column = shape.columns.find(candidate => candidate.name === name)
  if (column === undefined || column.generated) {
    const problem =
      column === undefined ? `${table} has no column ${name}` : `${table}.${name} is computed by its database`
    return [{ path, problem, remedy: 'Name the column that holds the reference.' }]
  }
  // An enum's values are its labels; what equality of another type of the user's own means, only that database knows.
  if (column.binary || column.wireType !== 'text') return []
  return [
    {
      path,
      problem: `rows cannot be matched by ${table}.${name}: the target does not know its type ${column.fullType}`,
      remedy: 'Match by a column of one of PostgreSQL’s own types.',
    },
  ]
}
