import type { FicusError } from '@ficus/core/errors/ficus-error'
import type { SyncStatus } from '@ficus/core/ledger/records'
import type { Progress } from '../apply/progress.ts'
import type { ChangeBatch, ChangeSource } from '../change-source/change-source.ts'
import { lsnToNumber, type Position } from '../change-source/position.ts'
import type { CopyProgress } from '../copy/first-copy.ts'
import type { Heartbeat } from '../lag/heartbeat.ts'
import type { Direction } from '../mapping/flow.ts'

/** What a pipeline tells of itself, gathered from its steps. */
export class StatusBoard {
  readonly #direction: Direction
  readonly #source: ChangeSource
  readonly #tell: ((status: SyncStatus) => void) | undefined
  #state: SyncStatus['state'] = 'waiting'
  #error: FicusError | null = null
  #copy: CopyProgress = { copiedRows: 0, estimatedRows: 0 }
  #appliedRows = 0
  #position: Position | null = null
  #heartbeat: Heartbeat | undefined
  /** What is being applied now. */
  #inFlight: { rows: number; oldestCommit: number | null } = { rows: 0, oldestCommit: null }
  /** How much of the source's log went by so far, and how many rows it held for this sync. */
  #passed = { bytes: 0, rows: 0 }

  constructor(direction: Direction, source: ChangeSource, tell: ((status: SyncStatus) => void) | undefined) {
    this.#direction = direction
    this.#source = source
    this.#tell = tell
  }

  copying(progress: CopyProgress): void {
    this.#copy = progress
    this.#enter('copying')
  }

  streaming(progress: Progress, heartbeat: Heartbeat): void {
    this.#copy = { copiedRows: progress.copiedRows, estimatedRows: progress.copiedRows }
    this.#appliedRows = progress.appliedRows
    this.#position = progress.position
    this.#heartbeat = heartbeat
    this.#enter('streaming')
  }

  received(batch: ChangeBatch): void {
    this.#inFlight = {
      rows: this.#inFlight.rows + batch.changes.length,
      oldestCommit: this.#inFlight.oldestCommit ?? batch.firstCommit,
    }
  }

  applied(position: Position): void {
    const bytes = this.#position === null ? 0 : logBetween(this.#position, position)
    this.#passed = { bytes: this.#passed.bytes + bytes, rows: this.#passed.rows + this.#inFlight.rows }
    this.#appliedRows += this.#inFlight.rows
    this.#inFlight = { rows: 0, oldestCommit: null }
    this.#position = position
  }

  /** @param error null while another worker does the work. */
  waiting(error: FicusError | null): void {
    this.#leaveStream()
    this.#enter('waiting', error)
  }

  failed(error: FicusError): void {
    this.#leaveStream()
    this.#enter('failed', error)
  }

  stopped(): void {
    this.#leaveStream()
    this.#enter('stopped')
  }

  /** @param now ms since 1970. */
  status(now: number): SyncStatus {
    return {
      direction: this.#direction,
      engine: this.#source.engine,
      state: this.#state,
      copiedRows: this.#copy.copiedRows,
      estimatedRows: this.#copy.estimatedRows,
      appliedRows: this.#appliedRows,
      lagRows: this.#lagRows(),
      lagSeconds: this.#lagSeconds(now),
      position: this.#position?.lsn ?? null,
      error:
        this.#error === null
          ? null
          : { code: this.#error.code, message: this.#error.message, remedy: this.#error.remedy },
    }
  }

  #enter(state: SyncStatus['state'], error: FicusError | null = null): void {
    this.#state = state
    this.#error = error
    this.#tell?.(this.status(Date.now()))
  }

  #leaveStream(): void {
    this.#heartbeat = undefined
    this.#inFlight = { rows: 0, oldestCommit: null }
  }

  /**
   * Rows received and not applied; where there are none, those that the rest of the source's log may hold, by what went
   * by so far. The log is the whole server's: most of it may be about other tables and other databases, the copy's own
   * target among them, so that its length alone says nothing about rows.
   */
  #lagRows(): number {
    const known = this.#inFlight.rows + this.#source.backlog().rows
    if (this.#position === null || this.#heartbeat === undefined || known > 0) return known
    const { bytes, rows } = this.#passed
    const ahead = Number(this.#heartbeat.end.lsn - lsnToNumber(this.#position.lsn))
    return bytes === 0 ? 0 : Math.floor(Math.max(0, ahead) * (rows / bytes))
  }

  /** Age of the oldest commit that the target lacks, by the source's clock; or of a heartbeat that did not come back. */
  #lagSeconds(now: number): number {
    const commit = this.#inFlight.oldestCommit ?? this.#source.backlog().oldestCommit
    const { clockOffset } = this.#heartbeat?.end ?? { clockOffset: 0 }
    const ofCommit = commit === null ? 0 : now + clockOffset - commit
    const ofBeat = this.#heartbeat?.outstandingMs(now) ?? 0
    return Math.max(0, ofCommit, ofBeat) / 1000
  }
}

function logBetween(from: Position, to: Position): number {
  return Number(lsnToNumber(to.lsn) - lsnToNumber(from.lsn))
}
