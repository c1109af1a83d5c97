/** Money is summed in whole cents and kept as text with two decimals, as numeric(12,2) gives it. */

/** `"19.90"` -> 1990. */
export function toCents(amount: string): number {
  const match = /^(\d{1,10})\.(\d\d)$/.exec(amount)
  if (match === null) throw new Error(`"${amount}" is not an amount with two decimals`)
  return Number(match[1]) * 100 + Number(match[2])
}

/** 1990 -> `"19.90"`. */
export function fromCents(cents: number): string {
  return `${Math.trunc(cents / 100)}.${String(cents % 100).padStart(2, '0')}`
}

const SHIPPING_CENTS = 490
const FREE_SHIPPING_FROM_CENTS = 50_00

export interface PricedLine {
  readonly unitCents: number
  readonly quantity: number
  /** VAT that the price includes, such as 19 for 19 %. */
  readonly taxPercent: number
}

/** All in cents; `total = subtotal - discount + shipping`, and `tax` is the part of it that is VAT on the goods. */
export interface Totals {
  readonly subtotal: number
  readonly discount: number
  readonly shipping: number
  readonly tax: number
  readonly total: number
}

/** VAT in the European way: prices include it. An order without lines costs nothing, shipping included. */
export function totals(lines: readonly PricedLine[], discountPercent = 0): Totals {
  const subtotal = lines.reduce((sum, line) => sum + line.unitCents * line.quantity, 0)
  const discount = Math.round((subtotal * discountPercent) / 100)
  const goods = subtotal - discount
  const shipping = lines.length === 0 || goods >= FREE_SHIPPING_FROM_CENTS ? 0 : SHIPPING_CENTS
  const kept = 1 - discountPercent / 100
  const tax = lines.reduce(
    (sum, line) => sum + (line.unitCents * line.quantity * kept * line.taxPercent) / (100 + line.taxPercent),
    0,
  )
  return { subtotal, discount, shipping, tax: Math.round(tax), total: goods + shipping }
}

/** VAT by tax class; what has none is taxed at the standard rate. */
export function taxPercent(taxClass: string | null): number {
  return taxClass === 'reduced' ? 7 : 19
}
