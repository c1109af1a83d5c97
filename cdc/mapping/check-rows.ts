import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { Flow } from './flow.ts'
import { flowColumns } from './flow-columns.ts'
import type { MappingProblem } from './parse-sync.ts'
import type { TableShape } from './table-shape.ts'

/** What keeps rows of a table from being seen, streamed, or kept, as its database has it. */
interface RowFacts {
  readonly permanent: boolean
  readonly children: boolean
  readonly hidden: boolean
  readonly user: string
}

/**
 * Whether all rows of the source table reach the stream and the copy, with the columns that the mapping reads.
 * @param source a session with the database that rows come from.
 */
export async function checkSourceRows(source: Client, flow: Flow, from: TableShape): Promise<MappingProblem[]> {
  const path = flow.path
  const problems = await checkRows(source, from, path)
  const { children } = await readFacts(source, from.oid)
  if (children && from.kind === 'table') {
    problems.push({
      path,
      problem: `${showTable(from.name)} has child tables by inheritance: PostgreSQL sends their rows under the children's names`,
      remedy: 'Make it a partitioned table; or sync the child tables, each into a table of its own.',
    })
  }
  const generated = from.columns.filter(column => column.generated)
  // A function gets the columns that the stream has.
  if (generated.length === 0 || flow.compute !== undefined) return problems
  const read = flowColumns(
    flow,
    from.columns.map(column => column.name),
  )
  for (const { name } of generated.filter(column => read.has(column.name))) {
    problems.push({
      path,
      problem: `it reads ${showTable(from.name)}.${name}, a generated column, which PostgreSQL leaves out of the stream`,
      remedy: `Write what it is made of instead: ${await expressionOf(source, from.oid, name)}.`,
    })
  }
  return problems
}

/** Whether sync sees all rows of the target table, and whether they outlive a crash as the position does. */
export async function checkTargetRows(target: Client, flow: Flow, to: TableShape): Promise<MappingProblem[]> {
  return checkRows(target, to, flow.path)
}

async function checkRows(client: Client, { oid, name }: TableShape, path: string): Promise<MappingProblem[]> {
  const { permanent, hidden, user } = await readFacts(client, oid)
  const problems: MappingProblem[] = []
  const table = showTable(name)
  if (!permanent) {
    problems.push({
      path,
      problem: `${table} is unlogged or temporary: its rows are not in the write-ahead log, and a crash empties it`,
      remedy: `Run ALTER TABLE ${table} SET LOGGED.`,
    })
  }
  if (hidden) {
    problems.push({
      path,
      problem: `row-level security hides rows of ${table} from user ${user}`,
      remedy: `Run ALTER ROLE "${user}" BYPASSRLS, or ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY where that user owns it.`,
    })
  }
  return problems
}

async function readFacts(client: Client, oid: number): Promise<RowFacts> {
  const { rows } = await client.query<RowFacts>(
    `SELECT c.relpersistence = 'p' AS permanent,
            EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AS children,
            c.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls)
              AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')) AS hidden,
            current_user::text AS user
     FROM pg_class c JOIN pg_roles r ON r.rolname = current_user WHERE c.oid = $1::int8::oid`,
    [oid],
  )
  return rows[0] ?? { permanent: true, children: false, hidden: false, user: '' }
}

async function expressionOf(client: Client, oid: number, column: string): Promise<string> {
  const { rows } = await client.query<{ expression: string | null }>(
    `SELECT pg_get_expr(d.adbin, d.adrelid) AS expression FROM pg_attribute a
     JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = $1::int8::oid AND a.attname = $2`,
    [oid, column],
  )
  return rows[0]?.expression ?? 'its expression'
}
