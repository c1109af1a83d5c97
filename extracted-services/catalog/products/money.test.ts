import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fromMinor, toMinor } from './money.ts'

it('writes hundredths with two decimals', () => {
  expect(['0', '5', '42', '100', '1990', '999999999999'].map(fromMinor)).toEqual([
    '0.00',
    '0.05',
    '0.42',
    '1.00',
    '19.90',
    '9999999999.99',
  ])
})

it('reads back what it wrote', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 18n }), minor => toMinor(fromMinor(`${minor}`)) === `${minor}`),
  )
})

it.each(['', '19', '19.9', '-1.00', '1e3', '1,00'])('refuses %j', text => {
  expect(() => toMinor(text)).toThrow('two decimals')
})
