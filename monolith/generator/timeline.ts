/** The day on which every generated history ends. Nothing generated reads the clock. */
export const END_OF_HISTORY = Date.UTC(2026, 0, 1)

export const DAY = 24 * 60 * 60 * 1_000

/**
 * A timestamp with microseconds as PostgreSQL reads it.
 *
 * @param milliseconds since 1970, with the microseconds in the fraction.
 */
export function timestamp(milliseconds: number): string {
  const whole = Math.floor(milliseconds)
  const microseconds = Math.floor((milliseconds - whole) * 1_000)
  return `${new Date(whole).toISOString().slice(0, -1)}${String(microseconds).padStart(3, '0')}Z`
}
