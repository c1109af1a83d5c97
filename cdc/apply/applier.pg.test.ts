import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { BatchBuilder } from '../change-source/batch-builder.ts'
import type { Relation } from '../change-source/change-source.ts'
import { encodeTextTuple } from '../change-source/tuple.ts'
import { shapeFlows } from '../copy/first-copy.ts'
import { withSession } from '../database/session.ts'
import { flowsOf } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { NOTE_TRIGGER, NOTED_SYNC, NOTED_TARGET, notedSource } from '../testing/noted-writes.ts'
import { CAPABILITY, createHarness } from '../testing/sync-harness.ts'
import { Applier } from './applier.ts'
import { ProgressMoved, readProgress } from './progress.ts'

const KEY = { capability: CAPABILITY, direction: 'forward' } as const
const PRODUCTS: Relation = {
  table: { schema: 'public', table: 'products' },
  format: 'text',
  columns: [
    { name: 'id', type: 'integer', identity: true },
    { name: 'name', type: 'text', identity: false },
    { name: 'version', type: 'integer', identity: false },
    { name: 'body', type: 'text', identity: false },
  ],
}

it('invariant 3: of two that apply the same batch from the same position one does, and triggers see it once', async () => {
  await using sync = await createHarness(createDatabase, notedSource(10), NOTED_TARGET, NOTED_SYNC)
  await (await sync.streaming()).stop()
  await sync.onTarget(NOTE_TRIGGER)
  const { source, target } = sync
  const { flows, progress } = await withSession(target, async client => ({
    flows: await withSession(source, other => shapeFlows(other, client, flowsOf(parseSync(NOTED_SYNC), 'forward'))),
    progress: await readProgress(client, KEY),
  }))
  if (progress === null) throw new Error('sync has copied')
  const options = { source, target, key: KEY, flows, mirrors: [], origin: 'a_test', progress, maxParked: 10 }
  // As where the turn was lost and another worker has it: an origin of its own, since one session holds one.
  const appliers = [await Applier.open(options), await Applier.open({ ...options, origin: 'another_test' })]
  const outcomes = await Promise.allSettled(
    appliers.map(applier => {
      const builder = new BatchBuilder(100, 1_000_000)
      const row = encodeTextTuple(['5', 'renamed', '2', 'short'])
      builder.begin(1)
      builder.add('update', PRODUCTS, row, -1, 0)
      builder.commit({ lsn: 'FFFFFFF/0' }, Date.now())
      return applier.apply(builder.take())
    }),
  )
  await Promise.all(appliers.map(applier => applier.close()))
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  const [refused] = outcomes.filter(outcome => outcome.status === 'rejected')
  expect(refused?.reason).toBeInstanceOf(ProgressMoved)
  expect(await sync.onTarget('SELECT * FROM writes')).toEqual([{ operation: 'UPDATE', item_id: 5, version: 2 }])
  expect(await sync.onTarget('SELECT applied_rows::int AS rows FROM ficus.progress')).toEqual([{ rows: 1 }])
})
