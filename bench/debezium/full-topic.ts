import { setTimeout as sleep } from 'node:timers/promises'
import { createPublication } from '@ficus/cdc/change-source/slot'
import type { Client } from 'pg'
import type { Cost } from '../report/scale.ts'
import { sql } from '../sync/clusters.ts'
import { until } from '../sync/contender.ts'
import { peakMemory, serverSeconds } from '../sync/processor-time.ts'
import { writeProducts } from '../sync/workload.ts'
import { Ficus } from './ficus.ts'
import { FicusProcess } from './ficus-process.ts'
import { JdbcSink } from './jdbc-sink.ts'
import { createDatabase, type Database, type Servers } from './servers.ts'

/** What it took each to empty a full topic into a table, from the first rows to the last. */
export interface Rates {
  readonly ficus: Cost
  /** Its process is Kafka Connect, which fills topics too; not meanwhile. */
  readonly sink: Cost
}

/** Rows in a transaction of the source. */
const PER_TRANSACTION = 1_000
/** Ten million rows take a quarter of an hour to fill a topic. */
const TIMEOUT_MS = 1_800_000

/**
 * Fills a topic for each contender from the same writes, each by a slot and a connector of its own, and then empties
 * one after the other. The time runs from a target's first rows to its last, so that nobody's start counts.
 */
export async function measureFullTopic(
  servers: Servers,
  round: number,
  rows: number,
  tell: (line: string) => void,
): Promise<Rates> {
  await using resources = new AsyncDisposableStack()
  const schema = await sql('source.sql')
  const source = await createDatabase(servers.source, `source_${round}`, schema, resources)
  const target = (name: string) => createDatabase(servers.target, `${name}_${round}`, schema, resources)
  const [forFicus, forSink] = [await target('ficus'), await target('sink')]
  const ficus = await openFicus(servers, source, forFicus, resources)
  const sink = new JdbcSink(servers, `jdbc_${round}`)
  await createPublication(source.client, { url: source.url, name: 'the source' }, sink.slot, [
    { schema: 'public', table: 'products' },
  ])
  await source.client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [sink.slot])
  resources.defer(() => dropSlot(source.client, sink.slot))
  await sink.fill(source.url)
  resources.defer(() => sink.stopFilling())

  tell('filling the topics')
  await writeProducts(source.client, 1, rows, PER_TRANSACTION)
  await untilRead(source.client, [ficus.slot, sink.slot])
  const emptying = {
    ficus: async () => {
      tell('Ficus, one topic')
      return await emptiedByFicus(servers, source, forFicus, rows)
    },
    sink: async () => {
      tell('the JDBC sink')
      resources.defer(() => sink.stopDraining())
      const reader = { pid: servers.connect.pid, assertWell: () => sink.assertWell() }
      const [emptied] = await Promise.all([emptiedBy(servers, reader, forSink.client, rows), sink.drain(forSink.url)])
      return emptied
    },
  }
  // Neither always goes first.
  const before = round % 2 === 0 ? await emptying.sink() : null
  const rates = { ficus: await emptying.ficus(), sink: before ?? (await emptying.sink()) }
  await assertEqual(forFicus.client, forSink.client)
  return rates
}

/** Ficus alone, from a topic of its own. */
export async function measureFicusAlone(
  servers: Servers,
  name: string,
  rows: number,
  tell: (line: string) => void,
): Promise<Cost> {
  await using resources = new AsyncDisposableStack()
  const schema = await sql('source.sql')
  const source = await createDatabase(servers.source, `source_${name}`, schema, resources)
  const target = await createDatabase(servers.target, `target_${name}`, schema, resources)
  const ficus = await openFicus(servers, source, target, resources)
  tell('filling the topic')
  await writeProducts(source.client, 1, rows, PER_TRANSACTION)
  await untilRead(source.client, [ficus.slot])
  tell('Ficus')
  return await emptiedByFicus(servers, source, target, rows)
}

async function emptiedByFicus(servers: Servers, source: Database, target: Database, rows: number): Promise<Cost> {
  const reader = FicusProcess.start(servers, source.url, target.url)
  try {
    return await emptiedBy(servers, reader, target.client, rows)
  } finally {
    await reader.stop()
  }
}

async function openFicus(
  servers: Servers,
  source: Database,
  target: Database,
  resources: AsyncDisposableStack,
): Promise<Ficus> {
  const ficus = new Ficus(servers, source.url, target.url)
  await ficus.start()
  resources.defer(() => ficus.drop())
  await ficus.stop()
  return ficus
}

/** Waits until the slots were read to the end of the log of now. */
async function untilRead(client: Client, slots: readonly string[]): Promise<void> {
  await client.query(`SELECT pg_logical_emit_message(true, 'bench', '')`)
  const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
  const behind = 'SELECT FROM pg_replication_slots WHERE slot_name = ANY ($1) AND confirmed_flush_lsn < $2::pg_lsn'
  await until(
    'the topics are full',
    async () => {
      // An idle connector tells where it stands with what comes next.
      await client.query(`SELECT pg_logical_emit_message(true, 'bench', '')`)
      return (await client.query(behind, [slots, rows[0]?.lsn])).rowCount === 0
    },
    { everyMs: 200, timeoutMs: TIMEOUT_MS },
  )
}

/** Whoever reads the topic. */
interface Reader {
  readonly pid: number
  assertWell(): void | Promise<void>
}

async function emptiedBy(servers: Servers, reader: Reader, client: Client, rows: number): Promise<Cost> {
  const count = async () => {
    const { rows: found } = await client.query<{ newest: number | null }>('SELECT max(id)::int AS newest FROM products')
    return found[0]?.newest ?? 0
  }
  const used = async () => ({
    own: await serverSeconds([reader]),
    servers: await serverSeconds([servers.source, servers.target, servers.kafka]),
  })
  let first: { readonly rows: number; readonly at: number; readonly used: Awaited<ReturnType<typeof used>> } | null =
    null
  const deadline = performance.now() + TIMEOUT_MS
  for (;;) {
    const newest = await count()
    if (newest > 0) first ??= { rows: newest, at: performance.now(), used: await used() }
    if (first !== null && newest >= rows) {
      const [seconds, last, taken] = [(performance.now() - first.at) / 1_000, await used(), rows - first.rows]
      if (taken === 0) throw new Error(`all ${rows} rows came at once: that is too few to be timed`)
      const cost = (from: number | null, to: number | null) =>
        from === null || to === null ? null : ((to - from) * 100_000) / taken
      return {
        rowsPerSecond: taken / seconds,
        ownCpu: cost(first.used.own, last.own),
        serverCpu: cost(first.used.servers, last.servers),
        peakMemory: await peakMemory(reader),
      }
    }
    if (performance.now() > deadline) throw new Error(`the target has ${newest} of ${rows} rows`)
    if (first === null) await reader.assertWell()
    await sleep(5)
  }
}

async function assertEqual(one: Client, other: Client): Promise<void> {
  const digest = `SELECT count(*)::int AS rows, sum(hashtextextended(p::text, 0)) AS digest FROM products p`
  const digests = await Promise.all([one, other].map(async client => (await client.query(digest)).rows[0]))
  if (JSON.stringify(digests[0]) !== JSON.stringify(digests[1])) {
    throw new Error(`the targets differ: ${JSON.stringify(digests)}`)
  }
}

async function dropSlot(client: Client, slot: string): Promise<void> {
  const drop = `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active`
  await until('a slot is left alone', async () => (await client.query(drop, [slot])).rowCount === 1, { everyMs: 100 })
}
