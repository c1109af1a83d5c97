import type { ProgressKey } from '../apply/progress.ts'
import { type Endpoint, endSession, openSession, withSession } from '../database/session.ts'
import { passWaypoint } from '../lag/lag.ts'
import { alignSnapshots } from './aligned-snapshots.ts'
import type { SessionPair } from './table-comparison.ts'

/** Sessions in which ranges are compared side by side, until it is ended. */
export interface Leg extends AsyncDisposable {
  readonly pairs: readonly SessionPair[]
  /** Where both sides stand in the source's log, whatever is written meanwhile; null: each statement sees its own state. */
  readonly position: string | null
  /** How long sync stood still for it, ms. */
  readonly pausedMs: number
}

export interface LegOptions {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly key: ProgressKey
  readonly timeoutMs: number
  readonly workers: number
  /** Some mapping is a function. */
  readonly computed: boolean
  readonly signal: AbortSignal
}

/** All sessions of a side share one snapshot, and both snapshots one position. @throws NotAligned */
export async function openExactLeg(options: LegOptions): Promise<Leg> {
  await using sessions = new AsyncDisposableStack()
  const pairs = await openPairs(options, sessions, true)
  // Once all sessions have the snapshots nothing has to hold them: the source may let its log go.
  await using aligned = await alignSnapshots(options)
  const { source, target, position, pausedMs } = aligned
  const adopt = (snapshot: string) =>
    `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '${snapshot}'`
  await Promise.all(pairs.flatMap(pair => [pair.source.query(adopt(source)), pair.target.query(adopt(target))]))
  const kept = sessions.move()
  return { pairs, position, pausedMs, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** The target has all that the source held when this began; from then on each statement sees what is there. */
export async function openRecheckLeg(options: LegOptions): Promise<Leg> {
  await using sessions = new AsyncDisposableStack()
  const pairs = await openPairs(options, sessions, false)
  await withSession(options.source, source =>
    withSession(options.target, target => passWaypoint(source, target, { ...options, ...options.key })),
  )
  const kept = sessions.move()
  return { pairs, position: null, pausedMs: 0, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

async function openPairs(
  options: LegOptions,
  sessions: AsyncDisposableStack,
  inSnapshot: boolean,
): Promise<SessionPair[]> {
  const open = async (endpoint: Endpoint) => {
    const client = await openSession(endpoint)
    sessions.defer(() => endSession(client))
    // How much of a server is taken is for the number of sessions to say; compiling a scan takes longer than it saves.
    await client.query('SET max_parallel_workers_per_gather = 0; SET jit = off')
    return client
  }
  return Promise.all(
    Array.from({ length: options.workers }, async () => {
      const [source, target] = await Promise.all([open(options.source), open(options.target)])
      const bench = options.computed ? { client: await open(options.target), inSnapshot } : null
      return { source, target, bench }
    }),
  )
}
