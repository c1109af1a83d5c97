import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { endSession, openSession } from '../database/session.ts'
import { flowsOf } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { AddedTables } from './added-tables.ts'
import { shapeFlows } from './first-copy.ts'
import { noteOf } from './flow-notes.ts'

it('keeps of a backlog only the transactions that a chunk still has to see', async () => {
  await using database = await createDatabase('both')
  const source = { url: database.url, name: 'the source' }
  const client = await openSession(source)
  try {
    await client.query('CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE c (LIKE a INCLUDING ALL)')
    const sync = parseSync({ tables: [{ source: 'a', target: 'c', key: { id: 'id' }, forward: { b: 'b' } }] })
    const flows = await shapeFlows(client, client, flowsOf(sync, 'forward'))
    const { rows } = await client.query<{ xmax: number }>(
      'SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int AS xmax',
    )
    const next = rows[0]?.xmax ?? 0
    const tablesReadUntil = async (until: string | null) => {
      const added = new AddedTables({
        source,
        target: client,
        key: { capability: 'catalog', direction: 'forward' },
        flows: flows.map(shaped => ({
          ...shaped,
          note: { ...noteOf(shaped.flow, shaped.source), reading: true, until },
        })),
        carried: flows.map(({ flow }) => flow),
        chunkRows: 10,
        retryParked: async () => {},
        onProgress: () => {},
      })
      await added.begin({ applyBeside: async () => {}, expectRows: () => {} })
      // Others use this server too: a few transactions may have begun meanwhile.
      const past = Array.from({ length: 300 }, (_, index) => next - 1 - index)
      const coming = Array.from({ length: 1_000 }, (_, index) => next + 100_000 + index)
      added.received({ transactions: [...past, ...coming] })
      await added.close()
      return added.awaited
    }
    const awaited = await tablesReadUntil(null)
    expect(awaited).toBeGreaterThanOrEqual(1_000)
    expect(awaited).toBeLessThan(1_100)
    // All rows are there; the stream has yet to pass the point at which they were read.
    expect(await tablesReadUntil('FFFFFFFF/0')).toBeLessThan(100)
  } finally {
    await endSession(client)
  }
})
