import { createDatabase, startTestPostgres } from '@ficus/deploy/testing/postgres'
import pg from 'pg'
import { describe, expect, it, vi } from 'vitest'
import type { ChangeBatch } from '../change-source.ts'
import { lsnToNumber, type Position } from '../position.ts'
import { createExportedSlot, createPublication } from '../slot.ts'
import { PostgresSource } from './postgres-source.ts'

interface Context extends AsyncDisposable {
  readonly client: pg.Client
  readonly source: PostgresSource
  readonly start: Position
  /** The server notices only by and by that a reader has left. */
  slotIsFree(): Promise<unknown>
}

async function open(url: string, batchRows: number): Promise<Context> {
  const endpoint = { url, name: 'the source' }
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  await client.query('CREATE TABLE numbers (n int PRIMARY KEY, filler text)')
  const table = { schema: 'public', table: 'numbers' }
  const slot = `test_${new URL(url).pathname.slice(1)}`
  await createPublication(client, endpoint, slot, [table])
  const exported = await createExportedSlot(endpoint, slot)
  await exported[Symbol.asyncDispose]()
  const source = new PostgresSource({
    capability: 'c',
    direction: 'forward',
    source: endpoint,
    slot,
    publication: slot,
    tables: [table],
    columnsRead: (_, columns) => new Set(columns),
    batchRows,
    ignoredOrigins: [],
  })
  await source.prepare()
  return {
    client,
    source,
    start: { lsn: exported.consistentPoint },
    slotIsFree: () =>
      vi.waitUntil(
        async () => {
          const { rows } = await client.query('SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active', [
            slot,
          ])
          return rows.length === 0
        },
        { timeout: 30_000 },
      ),
    [Symbol.asyncDispose]: async () => {
      await source.stop()
      await client.end()
    },
  }
}

/** Reads until `rows` changes came. */
async function read(source: PostgresSource, from: Position, rows: number): Promise<ChangeBatch[]> {
  const batches: ChangeBatch[] = []
  let seen = 0
  for await (const batch of source.read(from, new AbortController().signal)) {
    batches.push(batch)
    seen += batch.changes.length
    if (seen >= rows && batch.position !== null) return batches
  }
  return batches
}

const INSERT = `INSERT INTO numbers SELECT n, repeat('x', 500) FROM generate_series($1::int, $2::int) n`

describe('the postgres engine', () => {
  it('keeps memory bounded: while nobody takes a batch, it stops reading', async () => {
    await using database = await createDatabase('engine')
    await using context = await open(database.url, 1_000)
    const { client, source, start } = context
    await client.query(INSERT, [1, 100_000])
    const stopping = new AbortController()
    const batches = source.read(start, stopping.signal)[Symbol.asyncIterator]()
    const first = await batches.next()
    expect(first.value?.changes.length).toBeGreaterThanOrEqual(1_000)
    await vi.waitFor(() => expect(source.backlog().rows).toBeGreaterThanOrEqual(1_000))
    // What was in one chunk of the socket still comes in; 64 kB hold some hundred of these rows.
    expect(source.backlog().rows).toBeLessThan(2_000)
    let seen = first.value?.changes.length ?? 0
    while (seen < 100_000) seen += (await batches.next()).value?.changes.length ?? 0
    expect(seen).toBe(100_000)
    stopping.abort()
    expect(await batches.next()).toMatchObject({ done: true })
  })

  it('invariant 4: what was not acknowledged comes again, what was does not', async () => {
    await using database = await createDatabase('engine')
    await using context = await open(database.url, 1_000)
    const { client, source, start, slotIsFree } = context
    for (let n = 1; n <= 5; n++) await client.query(INSERT, [n, n])
    const [batch] = await read(source, start, 5)
    expect(batch).toBeDefined()
    await slotIsFree()
    const again = await read(source, start, 5)
    expect(again.flatMap(({ changes }) => changes)).toHaveLength(5)
    const { position } = again.at(-1) ?? {}
    if (position == null) throw new Error('the last batch ends at a commit')
    await client.query(INSERT, [6, 6])
    await slotIsFree()
    const after = await read(source, position, 1)
    expect(after.flatMap(({ changes }) => changes)).toHaveLength(1)
    expect(lsnToNumber(after[0]?.position?.lsn ?? '0/0')).toBeGreaterThan(lsnToNumber(position.lsn))
  })

  it('answers the server while the target is slow', async () => {
    await using server = await startTestPostgres({ wal_sender_timeout: '1s' })
    await using context = await open(server.url(), 1_000)
    const { client, source, start } = context
    await client.query(INSERT, [1, 50_000])
    let seen = 0
    for await (const batch of source.read(start, new AbortController().signal)) {
      // Three times as long as the server waits for a sign of life.
      if (seen === 0) await new Promise(resolve => setTimeout(resolve, 3_000))
      seen += batch.changes.length
      if (seen === 50_000) break
    }
    expect(seen).toBe(50_000)
  })

  it('invariant 13: says why the changes are gone when the server has given the slot up', async () => {
    await using server = await startTestPostgres({
      max_slot_wal_keep_size: '1MB',
      max_wal_size: '32MB',
      min_wal_size: '32MB',
    })
    await using context = await open(server.url(), 1_000)
    const { client, source, start } = context
    for (let n = 0; n < 5; n++) {
      await client.query(
        `SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000)) FROM generate_series(1, 20)`,
      )
      await client.query('SELECT pg_switch_wal()')
      await client.query('CHECKPOINT')
    }
    await expect(read(source, start, 1)).rejects.toMatchObject({
      code: 'FICUS_SLOT_LOST',
      message: expect.stringContaining('wal_removed'),
    })
  })
})
