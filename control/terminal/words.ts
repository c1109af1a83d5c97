import type { Verdict } from '@ficus/core/ledger/records'
import type { Terminal } from './terminal.ts'

/** `4 s`, `12 min`, `3 h`, `2 d`: one figure, for people. */
export function showAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1_000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/** `12,345` */
export function showCount(count: number): string {
  return Math.round(count).toLocaleString('en-GB')
}

/** `12 MB`, or `0 MB` of less than nothing. */
export function showBytes(bytes: number): string {
  return `${showCount(Math.max(0, bytes) / 1_000_000)} MB`
}

/** `1 row`, `2 rows` */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${showCount(count)} ${count === 1 ? one : many}`
}

/** `37 %`, and `0 %` of nothing. */
export function showShare(part: number, whole: number): string {
  if (whole === 0) return '0 %'
  const percent = (100 * part) / whole
  return `${percent > 0 && percent < 1 ? percent.toFixed(1) : Math.round(percent)} %`
}

/** A verdict with its colour. */
export function showVerdict(verdict: Verdict, terminal: Terminal): string {
  const { colour } = terminal
  if (verdict === 'pass') return colour.green('pass')
  return verdict === 'fail' ? colour.red('fail') : colour.yellow('inconclusive')
}
