import { expect, it } from 'vitest'
import { originName, slotName } from './names.ts'

const URL = 'postgres://user:secret@127.0.0.1:5432/orders'
const LONGEST_NAME = 63

it('tells capabilities apart whose names differ in a dash alone', () => {
  const names = ['a-b', 'a_b', 'a-b-c', 'a_b-c', 'a-b_c', 'a_b_c'].map(name => slotName(name, 'forward', URL))
  expect(new Set(names).size).toBe(names.length)
})

it('tells the two directions and the databases of one server apart', () => {
  const names = [
    slotName('a', 'forward', URL),
    slotName('a', 'reverse', URL),
    slotName('a', 'forward', URL.replace('orders', 'other')),
  ]
  expect(new Set(names).size).toBe(names.length)
})

it('stays the same whatever user and host lead to the database', () => {
  expect(slotName('a', 'forward', 'postgres://db.internal/orders')).toBe(slotName('a', 'forward', URL))
  expect(originName('a', 'forward', 'postgres://db.internal/order%73')).toBe(originName('a', 'forward', URL))
})

it('fits PostgreSQL: lower case letters, digits and underscores, within the length of an identifier', () => {
  const longest = slotName(`${'long-'.repeat(7)}short`, 'reverse', URL)
  expect(longest).toMatch(/^ficus_[a-z0-9_]+$/)
  expect(longest.length).toBeLessThanOrEqual(LONGEST_NAME)
})
