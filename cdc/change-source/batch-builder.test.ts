import { expect, it } from 'vitest'
import { BatchBuilder } from './batch-builder.ts'
import type { ChangeBatch, Relation } from './change-source.ts'

const RELATION: Relation = { table: { schema: 'public', table: 't' }, format: 'text', columns: [] }

function add(builder: BatchBuilder, text: string): void {
  builder.add('insert', RELATION, Buffer.from(`-${text}`), -1, 1)
}

/** The letter that each change's tuple begins with. */
function letters({ data, changes }: ChangeBatch): string[] {
  return changes.map(({ newTuple }) => data.toString('utf8', newTuple, newTuple + 1))
}

it('hands out whole transactions and keeps the open one', () => {
  const builder = new BatchBuilder(10, 1_000)
  add(builder, 'a')
  builder.commit({ lsn: '0/1' }, 100)
  add(builder, 'b')
  builder.commit({ lsn: '0/2' }, 200)
  add(builder, 'c')
  const first = builder.take()
  expect(letters(first)).toEqual(['a', 'b'])
  expect(first).toMatchObject({ position: { lsn: '0/2' }, firstCommit: 100, lastCommit: 200 })
  expect(builder.ready).toBe(false)

  add(builder, 'd')
  builder.commit({ lsn: '0/3' }, 300)
  const second = builder.take()
  expect(letters(second)).toEqual(['c', 'd'])
  expect(second).toMatchObject({ position: { lsn: '0/3' }, firstCommit: 300 })
})

it('hands out a part of a transaction that is larger than a batch, without a position', () => {
  const builder = new BatchBuilder(2, 1_000)
  for (const letter of ['a', 'b']) add(builder, letter)
  expect(builder.full).toBe(true)
  const part = builder.take()
  expect(letters(part)).toEqual(['a', 'b'])
  expect(part.position).toBeNull()
  builder.commit({ lsn: '0/1' }, 100)
  expect(builder.take()).toMatchObject({ changes: [], position: { lsn: '0/1' } })
})

it('is full by bytes too', () => {
  const builder = new BatchBuilder(1_000, 10)
  add(builder, 'a'.repeat(20))
  expect(builder.full).toBe(true)
})

it('ends a batch where it is sealed', () => {
  const builder = new BatchBuilder(10, 1_000)
  add(builder, 'a')
  builder.commit({ lsn: '0/1' }, 100)
  add(builder, 'b')
  builder.seal()
  add(builder, 'c')
  builder.commit({ lsn: '0/2' }, 200)
  expect(builder.rows).toBe(3)
  expect(letters(builder.take())).toEqual(['a'])
  expect(letters(builder.take())).toEqual(['b', 'c'])
})

it('copies what it is given: a driver uses its buffer again', () => {
  const builder = new BatchBuilder(10, 1_000)
  const bytes = Buffer.from('-a')
  builder.add('insert', RELATION, bytes, -1, 1)
  bytes.fill('z')
  builder.commit({ lsn: '0/1' }, 100)
  expect(letters(builder.take())).toEqual(['a'])
})

it('fills the memory of a batch again that was given back, and not before', () => {
  const builder = new BatchBuilder(10, 1_000)
  const takeOne = (letter: string) => {
    add(builder, letter)
    builder.commit({ lsn: '0/1' }, 100)
    return builder.take()
  }
  const first = takeOne('a')
  const second = takeOne('b')
  expect(letters(first)).toEqual(['a'])
  builder.giveBack(first)
  takeOne('c')
  const fourth = takeOne('d')
  expect(fourth.data.buffer).toBe(first.data.buffer)
  expect([letters(second), letters(fourth)]).toEqual([['b'], ['d']])
})
