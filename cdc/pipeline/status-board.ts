import type { FicusError } from '@ficus/core/errors/ficus-error'
import type { SlotRoom, SyncStatus } from '@ficus/core/ledger/records'
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
  #parked = 0
  #slot: SlotRoom | null = null
  #position: Position | null = null
  #heartbeat: Heartbeat | undefined
  /** What is being applied now, in order. */
  #inFlight: readonly InFlight[] = []
  /** When the source committed the newest transaction that the target has, by the source's clock, ms since 1970. */
  #newestCommit: number | null = null
  /** The source's clock minus ours, as last known, ms. */
  #clockOffset = 0
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

  /** Tables are copied while the stream goes on; null once they are whole. */
  copyingBeside(progress: CopyProgress | null): void {
    if (progress !== null) this.#copy = progress
    const state = progress === null ? 'streaming' : 'copying'
    if (state !== this.#state) this.#enter(state)
  }

  /** @param beside how far tables are that are copied while the stream goes on; null where there are none. */
  streaming(progress: Progress, heartbeat: Heartbeat, beside: CopyProgress | null): void {
    this.#copy = beside ?? { copiedRows: progress.copiedRows, estimatedRows: progress.copiedRows }
    this.#appliedRows = progress.appliedRows
    this.#position = progress.position
    this.#newestCommit = progress.sourceCommit?.getTime() ?? null
    this.#heartbeat = heartbeat
    this.#enter(beside === null ? 'streaming' : 'copying')
  }

  received(batch: ChangeBatch): void {
    const { changes, position, firstCommit, lastCommit } = batch
    this.#inFlight = [...this.#inFlight, { rows: changes.length, position, firstCommit, lastCommit }]
  }

  /** The batch that ends at this position and all before it are committed. */
  applied(position: Position): void {
    const count = this.#inFlight.findIndex(batch => batch.position?.lsn === position.lsn) + 1
    const rows = rowsOf(this.#inFlight.slice(0, count))
    const lastCommit = this.#inFlight[count - 1]?.lastCommit
    this.#inFlight = this.#inFlight.slice(count)
    const bytes = this.#position === null ? 0 : logBetween(this.#position, position)
    this.#passed = { bytes: this.#passed.bytes + bytes, rows: this.#passed.rows + rows }
    this.#appliedRows += rows
    this.#newestCommit = lastCommit ?? this.#newestCommit
    this.#position = position
  }

  /** @param changes how many wait for a person. */
  parked(changes: number): void {
    this.#parked = changes
  }

  /** @param room null while there is no slot. */
  slot(room: SlotRoom | null): void {
    this.#slot = room
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
      parked: this.#parked,
      lagRows: this.#lagRows(),
      lagSeconds: this.#lagSeconds(now),
      position: this.#position?.lsn ?? null,
      error:
        this.#error === null
          ? null
          : { code: this.#error.code, message: this.#error.message, remedy: this.#error.remedy },
      ...(this.#slot === null ? {} : { slot: this.#slot }),
    }
  }

  #enter(state: SyncStatus['state'], error: FicusError | null = null): void {
    this.#state = state
    this.#error = error
    this.#tell?.(this.status(Date.now()))
  }

  #leaveStream(): void {
    this.#clockOffset = this.#heartbeat?.end.clockOffset ?? this.#clockOffset
    this.#heartbeat = undefined
    this.#inFlight = []
  }

  /**
   * Rows received and not applied; where there are none, those that the rest of the source's log may hold, by what went
   * by so far. The log is the whole server's: most of it may be about other tables and other databases, the copy's own
   * target among them, so that its length alone says nothing about rows.
   */
  #lagRows(): number {
    const known = rowsOf(this.#inFlight) + this.#source.backlog().rows
    if (this.#position === null || this.#heartbeat === undefined || known > 0) return known
    const { bytes, rows } = this.#passed
    const ahead = Number(this.#heartbeat.end.lsn - lsnToNumber(this.#position.lsn))
    return bytes === 0 ? 0 : Math.floor(Math.max(0, ahead) * (rows / bytes))
  }

  /**
   * Age of the oldest commit that the target lacks, by the source's clock; or of a heartbeat that did not come back.
   * Away from the stream nobody knows what the target lacks; then it is the age of the newest commit that it has.
   */
  #lagSeconds(now: number): number {
    if (this.#heartbeat === undefined) {
      const interrupted = this.#state === 'failed' || this.#state === 'waiting'
      if (!interrupted || this.#newestCommit === null) return 0
      return Math.max(0, now + this.#clockOffset - this.#newestCommit) / 1000
    }
    const commit =
      this.#inFlight.find(({ firstCommit }) => firstCommit !== null)?.firstCommit ?? this.#source.backlog().oldestCommit
    const ofCommit = commit === null ? 0 : now + this.#heartbeat.end.clockOffset - commit
    return Math.max(0, ofCommit, this.#heartbeat.outstandingMs(now)) / 1000
  }
}

/** A batch that was received and is not applied yet, without its rows, of which the parts of one transaction may have many. */
type InFlight = Pick<ChangeBatch, 'position' | 'firstCommit' | 'lastCommit'> & { readonly rows: number }

function rowsOf(batches: readonly InFlight[]): number {
  return batches.reduce((sum, { rows }) => sum + rows, 0)
}

function logBetween(from: Position, to: Position): number {
  return Number(lsnToNumber(to.lsn) - lsnToNumber(from.lsn))
}
