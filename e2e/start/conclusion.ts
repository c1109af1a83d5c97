import type { StoredGateResult } from '@ficus/core/ledger/records'
import pc from 'picocolors'
import type { TrafficReport } from '../traffic/traffic.ts'

/** How the data of both sides compare; `undecided` where nothing differs that is known of, but not all was compared. */
export type DataVerdict = 'equal' | 'different' | 'undecided'

const DATA: Readonly<Record<DataVerdict, string>> = {
  equal: 'equal on both sides',
  different: 'DIFFERENT',
  undecided: 'not decided: the comparison above says why; `ficus verify catalog --data` makes another',
}

/**
 * What `ficus verify --data` found.
 * @param before the newest result of the gate `data` when it began, @param after when it ended, undefined for none.
 */
export function dataVerdict(
  exitCode: number,
  before: StoredGateResult | undefined,
  after: StoredGateResult | undefined,
): DataVerdict {
  if (exitCode === 0) return 'equal'
  return after !== undefined && after.id !== before?.id && after.verdict === 'fail' ? 'different' : 'undecided'
}

/** What the users saw and how it ended, for a person; `good` when nothing failed. */
export function conclude(
  report: TrafficReport,
  data: DataVerdict,
  milliseconds: number,
): { readonly good: boolean; readonly text: string } {
  const { reads } = report
  const ok = (fine: boolean, text: string) => (fine ? pc.green(text) : pc.red(text))
  const figure = (value: number) => value.toLocaleString('en-US')
  const lines = [
    `  requests        ${figure(report.requests)}, of which ${figure(report.writes)} edited a product`,
    `  failed          ${ok(report.failures === 0, figure(report.failures))}`,
    `  catalog reads   ${figure(reads.service)} answered by the service, ${figure(reads.monolith)} by the shop`,
    `  sides kept      ${ok(report.returns === 0, report.returns === 0 ? 'no user who reached the service fell back to the shop' : `${figure(report.returns)} reads fell back to the shop`)}`,
    `  data            ${ok(data === 'equal', DATA[data])}`,
    `  took            ${(milliseconds / 1000).toFixed(0)} s`,
    ...report.firstFailures.map(failure => pc.red(`  ${failure}`)),
  ]
  return { good: data === 'equal' && report.failures === 0 && report.returns === 0, text: lines.join('\n') }
}
