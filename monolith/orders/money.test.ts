import { describe, expect, it } from 'vitest'
import { fromCents, toCents, totals } from './money.ts'

describe('money', () => {
  it('goes from text to cents and back', () => {
    for (const amount of ['0.00', '0.05', '19.90', '9999999999.99']) expect(fromCents(toCents(amount))).toBe(amount)
    expect(() => toCents('19.9')).toThrow('"19.9" is not an amount with two decimals')
  })

  it('adds shipping below 50.00 and takes VAT out of the price', () => {
    expect(totals([{ unitCents: 11_90, quantity: 2, taxPercent: 19 }])).toEqual({
      subtotal: 23_80,
      discount: 0,
      shipping: 4_90,
      tax: 3_80,
      total: 28_70,
    })
  })

  it('ships for nothing from 50.00, counted after the discount', () => {
    expect(totals([{ unitCents: 50_00, quantity: 1, taxPercent: 7 }]).shipping).toBe(0)
    expect(totals([{ unitCents: 50_00, quantity: 1, taxPercent: 7 }], 10)).toMatchObject({
      discount: 5_00,
      shipping: 4_90,
      total: 49_90,
    })
  })

  it('costs nothing when it is empty', () => {
    expect(totals([]).total).toBe(0)
  })
})
