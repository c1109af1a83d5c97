import pg from 'pg'
import { type Databases, sql } from './clusters.ts'
import { type Contender, LOOK, SOURCE_TABLE, until, untilSlotIs } from './contender.ts'

/** `f`: the copy has committed; `s`, `r`: the stream has taken over (PostgreSQL documentation, pg_subscription_rel). */
const STATES = `SELECT coalesce(bool_and(srsubstate IN ('f', 's', 'r')), false) AS copied,
                       coalesce(bool_and(srsubstate = 'r'), false) AS streaming
                FROM pg_subscription_rel`

/**
 * PostgreSQL's own logical replication: a publication, and a subscription in the binary form that Ficus reads too. It
 * can neither rename nor convert, so its target table is the source's. All else has PostgreSQL's defaults, among them
 * that its worker does not wait for its commits to be flushed.
 */
export async function openNative(databases: Databases): Promise<Contender> {
  const { sourceUrl, source, target } = databases
  await target.query(await sql('source.sql'))
  const name = pg.escapeIdentifier(`bench_${new URL(sourceUrl).pathname.slice(1)}`)
  const reaches = (state: 'copied' | 'streaming') =>
    until(
      `the subscription is ${state}`,
      async () => (await target.query<Record<typeof state, boolean>>(STATES)).rows[0]?.[state] === true,
      LOOK,
    )
  return {
    table: SOURCE_TABLE,
    copy: async () => {
      await source.query(`CREATE PUBLICATION ${name} FOR TABLE products`)
      await target.query(
        `CREATE SUBSCRIPTION ${name} CONNECTION ${pg.escapeLiteral(sourceUrl)} PUBLICATION ${name} WITH (binary = true)`,
      )
      await reaches('copied')
    },
    detach: async () => {
      await reaches('streaming')
      await target.query(`ALTER SUBSCRIPTION ${name} DISABLE`)
      await untilSlotIs('left alone', databases)
    },
    attach: async () => {
      await target.query(`ALTER SUBSCRIPTION ${name} ENABLE`)
      await untilSlotIs('read', databases)
    },
    usage: async () => null,
    // A worker that failed is started again by the server, and again.
    assertWell: () => {},
    [Symbol.asyncDispose]: async () => {
      // Takes the slot along.
      await target.query(`DROP SUBSCRIPTION IF EXISTS ${name}`)
    },
  }
}
