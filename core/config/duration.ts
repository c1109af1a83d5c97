const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Reads `250ms`, `20s`, `15m`, `1h`, `7d` or a number of milliseconds. Returns milliseconds, or null if it is none. */
export function parseDuration(text: string | number): number | null {
  if (typeof text === 'number') return Number.isFinite(text) && text >= 0 ? text : null
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim())
  if (match === null) return null
  return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]
}
