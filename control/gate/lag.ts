import type { SyncStatus } from '@ficus/core/ledger/records'
import { plural, showAge, showShare } from '../terminal/words.ts'
import type { Gate, Judgement } from './gate.ts'

/** A sync process reports about once a second; after this long without a word it counts as gone. */
export const SYNC_SILENT_SECONDS = 10

/** What a sync process last said, and how long ago; null where none ever spoke. */
export type SyncReport = (SyncStatus & { readonly ageSeconds: number }) | null

/** Judges whether sync runs, has copied, and keeps up. */
export function judgeLag(report: SyncReport, limits: { readonly maxSeconds: number }): Judgement {
  if (report === null) return { verdict: 'inconclusive', summary: 'no sync process has ever reported' }
  if (report.ageSeconds > SYNC_SILENT_SECONDS) {
    return {
      verdict: 'inconclusive',
      summary: `no sync process has reported for ${showAge(report.ageSeconds * 1_000)}`,
    }
  }
  if (report.error !== null) return { verdict: 'fail', summary: `${report.error.code}: ${report.error.message}` }
  if (report.state === 'copying') {
    const share = showShare(report.copiedRows, Math.max(report.estimatedRows, report.copiedRows))
    return { verdict: 'fail', summary: `still copying: ${plural(report.copiedRows, 'row')}, about ${share}` }
  }
  if (report.state !== 'streaming') return { verdict: 'fail', summary: `sync is ${report.state}, not streaming` }
  const figures = `${plural(report.lagRows, 'row')}, ${report.lagSeconds.toFixed(1)} s behind (limit ${limits.maxSeconds} s)`
  return { verdict: report.lagSeconds <= limits.maxSeconds ? 'pass' : 'fail', summary: figures }
}

export const lagGate: Gate = {
  name: 'lag',
  proves: 'sync has copied and keeps up',
  quick: true,
  command: capability => `ficus status ${capability}`,
  gather: async ({ control, capability, config }) => {
    const report = await control.ledger.syncStatus(capability)
    return { ...judgeLag(report, config.gates.lag), evidence: { report } }
  },
}
