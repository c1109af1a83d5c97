import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import { type ProgressKey, progressRow } from '../apply/progress.ts'

/** What a comparison may cost others. */
export interface LoadLimits {
  /** Rows read of each side in a second; no limit unless given. */
  readonly maxRowsPerSecond?: number
  /** It pauses while sync is further behind, seconds; no limit unless given. */
  readonly maxLagSeconds?: number
  /** It pauses while one of the servers has more sessions at work than these, its own aside; no limit unless given. */
  readonly maxActive?: number
}

/** Why a comparison has to wait, in words; null if it need not. */
export type LoadCheck = () => Promise<string | null>

const CHECK_EVERY_MS = 1_000

/** Holds a comparison back: to a rate, and while there is a reason to wait. */
export class Throttle {
  readonly #limits: LoadLimits
  readonly #check: LoadCheck
  readonly #onPause: (reason: string | null) => void
  readonly #signal: AbortSignal
  #checkedAt = Number.NEGATIVE_INFINITY
  #reason: string | null = null
  #freeAt = 0

  constructor(
    limits: LoadLimits,
    check: LoadCheck,
    signal: AbortSignal,
    onPause: (reason: string | null) => void = () => {},
  ) {
    this.#limits = limits
    this.#check = check
    this.#signal = signal
    this.#onPause = onPause
  }

  /** Waits until `rows` more rows fit the rate. */
  async spend(rows: number): Promise<void> {
    const { maxRowsPerSecond } = this.#limits
    if (maxRowsPerSecond === undefined) return
    this.#freeAt = Math.max(this.#freeAt, performance.now()) + (rows / maxRowsPerSecond) * 1_000
    await sleep(Math.max(0, this.#freeAt - performance.now()), undefined, { signal: this.#signal })
  }

  /** Whether there is a reason to wait; looked up about once a second. */
  async mustWait(): Promise<boolean> {
    const now = performance.now()
    if (now - this.#checkedAt > CHECK_EVERY_MS) {
      this.#checkedAt = now
      this.#reason = await this.#check()
    }
    return this.#reason !== null
  }

  /** Returns when there is no reason to wait any more. */
  async proceed(): Promise<void> {
    if (!(await this.mustWait())) return
    this.#onPause(this.#reason)
    while (await this.mustWait()) await sleep(CHECK_EVERY_MS / 4, undefined, { signal: this.#signal })
    this.#onPause(null)
  }
}

/** Looks at sync's lag and at the load of both servers. */
export function loadCheck(source: Client, target: Client, key: ProgressKey, limits: LoadLimits): LoadCheck {
  const { maxLagSeconds, maxActive } = limits
  return async () => {
    if (maxLagSeconds !== undefined) {
      const behind = await lagSeconds(source, target, key)
      if (behind > maxLagSeconds) return `sync is ${Math.round(behind)} s behind, and the limit is ${maxLagSeconds} s`
    }
    if (maxActive === undefined) return null
    for (const client of [source, target]) {
      const active = await otherSessionsAtWork(client)
      if (active > maxActive) return `${active} sessions are at work in a server, and the limit is ${maxActive}`
    }
    return null
  }
}

/** Sync writes a mark each second, so the newest transaction applied is about as old as sync is behind. */
async function lagSeconds(source: Client, target: Client, key: ProgressKey): Promise<number> {
  const { rows } = await target.query<{ commit: string | null }>(
    `SELECT extract(epoch FROM source_commit)::text AS commit FROM ficus.progress WHERE ${progressRow(key)}`,
  )
  const commit = rows[0]?.commit ?? null
  if (commit === null) return 0
  const { rows: now } = await source.query<{ behind: number }>(
    'SELECT (extract(epoch FROM clock_timestamp()) - $1::numeric)::float8 AS behind',
    [commit],
  )
  return now[0]?.behind ?? 0
}

async function otherSessionsAtWork(client: Client): Promise<number> {
  const { rows } = await client.query<{ active: number }>(
    `SELECT count(*)::int AS active FROM pg_stat_activity
     WHERE state = 'active' AND backend_type = 'client backend' AND application_name <> 'ficus sync'`,
  )
  return rows[0]?.active ?? 0
}
