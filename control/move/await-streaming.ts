import { setTimeout as delay } from 'node:timers/promises'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { StoredSyncStatus } from '@ficus/core/ledger/records'
import type { Control } from '../control.ts'
import { SYNC_SILENT_SECONDS } from '../gate/lag.ts'
import type { Progress } from '../terminal/progress.ts'
import { syncFailure } from './sync-failure.ts'

const POLL = 200
/** How long a sync process may take to notice the phase, or to come back, milliseconds. */
const PATIENCE = 30_000

/**
 * Waits until sync has made its first copy and streams.
 * @param progress counts rows.
 * @throws the error that sync reports; FICUS_SERVICE_UNREACHABLE where no sync process reports for half a minute.
 */
export async function awaitStreaming(
  control: Control,
  capability: string,
  signal: AbortSignal,
  progress?: Progress,
): Promise<StoredSyncStatus> {
  const { phaseSince } = await control.ledger.capability(capability)
  let heardAt = Date.now()
  for (;;) {
    const report = await control.ledger.syncStatus(capability)
    const current = report !== null && report.reportedAt >= phaseSince && report.ageSeconds < SYNC_SILENT_SECONDS
    if (current) {
      heardAt = Date.now()
      if (report.state === 'streaming') return report
      if (report.state === 'copying') progress?.update(report.copiedRows, report.estimatedRows)
      if (report.state === 'failed' && report.error !== null) throw syncFailure(capability, report.error)
    }
    if (Date.now() - heardAt > PATIENCE) {
      throw new FicusError('FICUS_SERVICE_UNREACHABLE', `no sync process has reported on ${capability} for 30 s`, {
        remedy: 'Start it (`ficus up`, or `node cdc/main.ts`), then run the command again.',
      })
    }
    await delay(POLL, undefined, { signal })
  }
}
