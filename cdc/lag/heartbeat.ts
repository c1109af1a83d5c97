import type { Client } from 'pg'
import { MARK } from '../change-source/marks.ts'
import { lsnToNumber } from '../change-source/position.ts'
import { type Endpoint, endSession, openSession } from '../database/session.ts'
import { emitMark } from './lag.ts'

/** What a beat found out. */
export interface SourceEnd {
  /** The end of the source's log. */
  readonly lsn: bigint
  /** The source's clock minus ours, ms. */
  readonly clockOffset: number
}

interface Beat {
  readonly lsn: bigint
  readonly sentAt: number
}

/**
 * Writes a mark into the source's log about once a second. When a mark does not come back, sync is behind, even if it
 * received nothing that it has not applied; while nobody writes, marks keep the position moving, so that the server can
 * release log. A beat that fails is left out: reading will find the source away soon enough.
 */
export class Heartbeat {
  readonly #source: Endpoint
  readonly #intervalMs: number
  #client: Client | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #outstanding: Beat[] = []
  #end: SourceEnd = { lsn: 0n, clockOffset: 0 }

  constructor(source: Endpoint, intervalMs = 1_000) {
    this.#source = source
    this.#intervalMs = intervalMs
  }

  start(): void {
    this.#timer = setTimeout(() => void this.#beat(), 0)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await endSession(this.#client)
  }

  /** The source's end as of the last beat. */
  get end(): SourceEnd {
    return this.#end
  }

  /** Tells that the target stands at `position`. */
  reached(position: bigint): void {
    this.#outstanding = this.#outstanding.filter(beat => beat.lsn > position)
  }

  /** How long the oldest mark that has not come back is on its way, ms. */
  outstandingMs(now: number): number {
    const [oldest] = this.#outstanding
    return oldest === undefined ? 0 : now - oldest.sentAt
  }

  async #beat(): Promise<void> {
    try {
      this.#client ??= await openSession(this.#source)
      const sentAt = Date.now()
      const lsn = lsnToNumber(await emitMark(this.#client, MARK.HEARTBEAT))
      const { rows } = await this.#client.query<{ lsn: string; now: number }>(
        `SELECT pg_current_wal_lsn()::text AS lsn, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`,
      )
      this.#outstanding.push({ lsn, sentAt })
      if (rows[0] !== undefined) {
        this.#end = { lsn: lsnToNumber(rows[0].lsn), clockOffset: Math.round(rows[0].now - Date.now()) }
      }
    } catch {
      await endSession(this.#client)
      this.#client = undefined
    }
    // It may have been opened while `stop` found none to end.
    if (this.#stopped) await endSession(this.#client)
    else this.#timer = setTimeout(() => void this.#beat(), this.#intervalMs)
  }
}
