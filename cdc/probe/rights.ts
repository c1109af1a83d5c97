import { quoteIdentifier, quoteTable, showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type Flow, flowsOf, type Sync } from '../mapping/flow.ts'
import { MIRROR_SCHEMA } from '../mirror/mirror-plan.ts'
import { note, type ProbeFinding, problem } from './finding.ts'

/**
 * Which rights and which triggers of the monolith reverse would meet, besides those that a dry run shows.
 * @param triggersSilent as the config's choice comes out.
 */
export async function probeRights(monolith: Client, sync: Sync, triggersSilent: boolean): Promise<ProbeFinding[]> {
  const flows = flowsOf(sync, 'reverse')
  const tables = [...new Map(flows.map(({ to }: Flow) => [showTable(to), to])).values()]
  const found = [await probeSchema(monolith, 'ficus', 'in which reverse keeps its position')]
  if (flows.some(({ reads }) => reads.length > 0))
    found.push(await probeSchema(monolith, MIRROR_SCHEMA, 'in which reverse keeps the tables that `back` reads'))
  for (const table of tables) {
    found.push(await probeSequences(monolith, table), await probeTriggers(monolith, table, triggersSilent))
  }
  return found.flat()
}

/** Sync keeps what it needs to know in schemas of its own. */
async function probeSchema(monolith: Client, schema: string, what: string): Promise<ProbeFinding[]> {
  const { rows } = await monolith.query<{ may: boolean; user: string; database: string }>(
    `SELECT CASE WHEN to_regnamespace($1) IS NULL THEN has_database_privilege(current_database(), 'CREATE')
                 ELSE has_schema_privilege($1, 'CREATE') END AS may,
            current_user AS user, current_database() AS database`,
    [schema],
  )
  const [row] = rows
  if (row === undefined || row.may) return []
  const text = `user ${row.user} may not create the schema ${what}`
  const grant = `GRANT CREATE ON DATABASE ${quoteIdentifier(row.database)} TO ${quoteIdentifier(row.user)};`
  return [problem('writes', 'monolith.database', text, grant)]
}

/** The way back to the monolith moves its sequences past the keys that the service gave out. */
async function probeSequences(monolith: Client, table: TableName): Promise<ProbeFinding[]> {
  const { rows } = await monolith.query<{ sequence: string; user: string }>(
    `SELECT s.oid::regclass::text AS sequence, current_user AS user
     FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
     WHERE d.refobjid = $1::regclass
       AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'UPDATE') ELSE false END`,
    [quoteTable(table)],
  )
  return rows.map(({ sequence, user }) =>
    problem(
      'writes',
      sequence,
      `user ${user} may not move the sequence ${sequence}: after the way back the monolith would give out keys twice`,
      `GRANT UPDATE ON SEQUENCE ${sequence} TO ${quoteIdentifier(user)};`,
    ),
  )
}

async function probeTriggers(monolith: Client, table: TableName, silent: boolean): Promise<ProbeFinding[]> {
  // O: acts for ordinary sessions; R: for silent ones; A: for both; D: never (pg_trigger.tgenabled).
  const { rows } = await monolith.query<{ name: string; enabled: string }>(
    `SELECT tgname AS name, tgenabled::text AS enabled FROM pg_trigger
     WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgenabled = ANY ($2::"char"[]) ORDER BY tgname`,
    [quoteTable(table), silent ? ['R', 'A'] : ['O', 'A']],
  )
  return rows.map(({ name, enabled }) => {
    const why = enabled === 'A' ? 'it is ENABLE ALWAYS' : silent ? 'it is ENABLE REPLICA' : 'triggers.reverse says so'
    const text = `trigger ${name} acts on every row that reverse writes: ${why}`
    return note('writes', showTable(table), text, 'See to it that it does no harm when a row is written a second time.')
  })
}
