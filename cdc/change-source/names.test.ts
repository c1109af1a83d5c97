import { expect, it } from 'vitest'
import type { Direction } from '../mapping/flow.ts'
import { originName, slotName } from './names.ts'

const URL = 'postgres://user:secret@127.0.0.1:5432/orders'
const LEDGER = '11111111-2222-4333-8444-555555555555'
const LONGEST_NAME = 63

function keyOf(capability: string, direction: Direction = 'forward', ledger = LEDGER) {
  return { capability, direction, ledger }
}

it('tells capabilities apart whose names differ in a dash alone', () => {
  const names = ['a-b', 'a_b', 'a-b-c', 'a_b-c', 'a-b_c', 'a_b_c'].map(name => slotName(keyOf(name), URL))
  expect(new Set(names).size).toBe(names.length)
})

it('tells the two directions, the databases of one server and the migrations of one database apart', () => {
  const names = [
    slotName(keyOf('a'), URL),
    slotName(keyOf('a', 'reverse'), URL),
    slotName(keyOf('a'), URL.replace('orders', 'other')),
    slotName(keyOf('a', 'forward', LEDGER.replace('1', '2')), URL),
  ]
  expect(new Set(names).size).toBe(names.length)
})

it('stays the same whatever user and host lead to the database', () => {
  expect(slotName(keyOf('a'), 'postgres://db.internal/orders')).toBe(slotName(keyOf('a'), URL))
  expect(originName(keyOf('a'), 'postgres://db.internal/order%73')).toBe(originName(keyOf('a'), URL))
})

it('fits PostgreSQL: lower case letters, digits and underscores, within the length of an identifier', () => {
  const longest = slotName(keyOf(`${'long-'.repeat(7)}short`, 'reverse'), URL)
  expect(longest).toMatch(/^ficus_[a-z0-9_]+$/)
  expect(longest.length).toBeLessThanOrEqual(LONGEST_NAME)
})
