import { expect, it } from 'vitest'
import type { Change, ChangeBatch, Relation } from '../change-source/change-source.ts'
import { cutBatch } from './pause.ts'

const relation: Relation = { table: { schema: 'public', table: 't' }, format: 'text', columns: [] }

/** Changes are known by where their tuple is. */
function batchOf(changes: number, rest: Partial<ChangeBatch>): ChangeBatch {
  return {
    data: Buffer.alloc(0),
    changes: Array.from({ length: changes }, (_, newTuple): Change => {
      return { kind: 'insert', relation, oldTuple: -1, newTuple }
    }),
    position: { lsn: '0/30' },
    firstCommit: 1,
    lastCommit: 3,
    transactions: [],
    ...rest,
  }
}

const numbers = (batch: ChangeBatch | null) => batch?.changes.map(change => change.newTuple)
const commits = [
  { lsn: '0/10', changes: 1 },
  { lsn: '0/20', changes: 3 },
  { lsn: '0/30', changes: 4 },
]

it.each([
  // A transaction that ends exactly at the place belongs before it.
  [0x20n, [0, 1, 2], [3]],
  [0x1fn, [0], [1, 2, 3]],
  [0x2fn, [0, 1, 2], [3]],
  [0x05n, [], [0, 1, 2, 3]],
])(
  'invariant 4: a batch cut at %i has whole transactions on both sides, and stands exactly there',
  (at, before, after) => {
    const cut = cutBatch(batchOf(4, { commits }), at)
    expect(numbers(cut.before)).toEqual(before)
    expect(cut.before.position).toEqual({ lsn: `0/${at.toString(16).toUpperCase()}` })
    expect(numbers(cut.after)).toEqual(after)
    expect(cut.after?.position).toEqual({ lsn: '0/30' })
  },
)

it('cuts what is left a second time', () => {
  const { after } = cutBatch(batchOf(4, { commits }), 0x10n)
  const again = cutBatch(after ?? batchOf(0, {}), 0x20n)
  expect([numbers(again.before), numbers(again.after)]).toEqual([[1, 2], [3]])
})

it('leaves a batch whole that ends before the place, or at it', () => {
  const batch = batchOf(4, { commits })
  expect(cutBatch(batch, 0x30n)).toEqual({ before: batch, after: null })
  expect(cutBatch(batch, 0x99n)).toEqual({ before: batch, after: null })
})

it('keeps a transaction larger than a batch together, on the side where its commit is', () => {
  const part = batchOf(2, { position: null, open: 0x25n })
  expect(cutBatch(part, 0x30n)).toEqual({ before: part, after: null })
  const { before, after } = cutBatch(part, 0x20n)
  expect([numbers(before), before.position]).toEqual([[], { lsn: '0/20' }])
  expect(after).toBe(part)
})
