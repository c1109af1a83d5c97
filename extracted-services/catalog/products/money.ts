/** The API shows money as text with two decimals; the tables hold whole hundredths, which arrive as text too. */

/** `"1990"` -> `"19.90"`. Works on text, so that no amount is too large to be exact. */
export function fromMinor(minor: string): string {
  const digits = minor.padStart(3, '0')
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** `"19.90"` -> `"1990"`. @param amount digits, a dot and two digits. */
export function toMinor(amount: string): string {
  if (!/^\d+\.\d\d$/.test(amount)) throw new Error(`"${amount}" is not an amount with two decimals`)
  return amount.replace('.', '').replace(/^0+(?=\d)/, '')
}
