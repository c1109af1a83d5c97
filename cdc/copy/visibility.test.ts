import { expect, it } from 'vitest'
import { readSnapshot, Unsettled } from './visibility.ts'

it('reads what pg_current_snapshot() says', () => {
  expect(readSnapshot('10:20:10,14')).toEqual({ xmin: 10n, xmax: 20n, underWay: new Set([10n, 14n]) })
  expect(readSnapshot('10:10:')).toEqual({ xmin: 10n, xmax: 10n, underWay: new Set() })
})

it('knows a decoded transaction that a snapshot does not see yet', () => {
  const unsettled = new Unsettled()
  expect(unsettled.settledIn(readSnapshot('10:20:14'))).toBe(true)
  unsettled.decoded(12)
  expect(unsettled.settledIn(readSnapshot('10:20:14'))).toBe(true)
  unsettled.decoded(14)
  unsettled.decoded(20)
  expect(unsettled.settledIn(readSnapshot('10:20:14'))).toBe(false)
  expect(unsettled.settledIn(readSnapshot('20:20:'))).toBe(false)
  expect(unsettled.settledIn(readSnapshot('21:21:'))).toBe(true)
})

it('waits for what was under way when it began', () => {
  const unsettled = new Unsettled()
  unsettled.begin(readSnapshot('10:20:14'))
  expect(unsettled.settledIn(readSnapshot('14:30:14,22'))).toBe(false)
  expect(unsettled.settledIn(readSnapshot('22:30:22'))).toBe(true)
})

it('keeps nothing of a backlog that the last snapshot sees already', () => {
  const unsettled = new Unsettled()
  unsettled.begin(readSnapshot('900000:900010:900003'))
  for (let xid = 1; xid <= 900_020; xid++) unsettled.decoded(xid)
  expect(unsettled.count).toBe(12)
  expect(unsettled.settledIn(readSnapshot('900021:900021:'))).toBe(true)
  expect(unsettled.count).toBe(0)
})

it('counts across the wrap-around of 32 bits', () => {
  const unsettled = new Unsettled()
  const epoch = 1n << 32n
  unsettled.decoded(Number(epoch - 1n))
  unsettled.decoded(3)
  expect(unsettled.settledIn(readSnapshot(`${epoch + 2n}:${epoch + 5n}:${epoch + 3n}`))).toBe(false)
  expect(unsettled.settledIn(readSnapshot(`${epoch + 5n}:${epoch + 5n}:`))).toBe(true)
})
