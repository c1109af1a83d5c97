import { FicusError } from '@ficus/core/errors/ficus-error'
import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type Progress, type ProgressKey, readProgress } from '../apply/progress.ts'
import { changedFlows } from '../copy/changed-flows.ts'
import { type ShapedFlow, shapeFlows } from '../copy/first-copy.ts'
import { readNotes, readTablesBeside } from '../copy/flow-notes.ts'
import { type Endpoint, nameLost, withSession } from '../database/session.ts'
import { type Direction, flowsOf, type Sync } from '../mapping/flow.ts'
import { NotAligned } from './aligned-snapshots.ts'
import { DiffState, type StoredRange } from './diff-state.ts'
import { type Doubt, type DoubtOptions, settleDoubts } from './doubts.ts'
import { type Leg, type LegOptions, openExactLeg, openRecheckLeg } from './leg.ts'
import { planRanges } from './ranges.ts'
import { inSnapshots, type SessionPair, TableComparison, type TableDiff } from './table-comparison.ts'
import { type LoadLimits, loadCheck, Throttle } from './throttle.ts'

/**
 * `exact`: both databases are hashed at one position, so that nothing on its way looks different. `recheck`: each as it is
 * at that moment. Rows that look different are looked at again in either mode, until it is clear. `auto`: exact where the
 * engine and the databases allow it.
 */
export type DiffMode = 'exact' | 'recheck'

export interface DiffOptions {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly capability: string
  readonly direction: Direction
  readonly sync: Sync
  /** `auto` unless given. */
  readonly mode?: DiffMode | 'auto'
  /** How long the target may take to catch up with the source, ms; 60 s unless given. */
  readonly timeoutMs?: number
  /** Differences listed for each table; 1,000 unless given. What goes beyond is counted. */
  readonly maxListed?: number
  /** Whether differences come with the values of both sides. */
  readonly showValues?: boolean
  /** Ranges compared at the same time, each in a session with either database; 2 unless given. */
  readonly workers?: number
  readonly limits?: LoadLimits
  /** Goes on with what a run that was broken off has not compared. */
  readonly resume?: boolean
  /** A snapshot is given up for a new one after this time, ms, since it holds back vacuum; 10 minutes unless given. */
  readonly snapshotMs?: number
  /** Rows in a range of keys, about; 50,000 unless given. */
  readonly rangeRows?: number
  /** Called first with what an earlier run compared. */
  readonly onProgress?: (progress: DiffProgress) => void
  /** Told in words: a wait and its end, a mode that was given up, what is not compared again. */
  readonly onRemark?: (remark: string) => void
  readonly signal?: AbortSignal
}

export interface DiffProgress {
  /** Rows of the source that were read so far, those of a resumed run included. */
  readonly rows: number
  /** In all, as far as the planner's statistics tell. */
  readonly estimatedRows: number
}

export interface DiffReport {
  readonly tables: readonly TableDiff[]
  /** No row differs, and none was left undecided. */
  readonly equal: boolean
  readonly mode: DiffMode
  /** Why it is not exact though that was not ruled out; null where it is, or was. */
  readonly inexact: string | null
  /** Where both sides stood when they were hashed, in the source's log; in recheck mode empty. */
  readonly positions: readonly string[]
  /** How long sync stood still for it, ms. */
  readonly pausedMs: number
  /** When the oldest range that counts was compared: earlier than this run where it was resumed. */
  readonly since: Date
  /** Ranges that an earlier run found equal count with it. */
  readonly resumed: boolean
}

const TIMEOUT_MS = 60_000
const MAX_LISTED = 1_000
const WORKERS = 2
const SNAPSHOT_MS = 10 * 60_000
const RANGE_ROWS = 50_000
/** Rows that look different are looked at again once there are so many: their keys stand in memory. */
const MAX_DOUBTS = 10_000
/** A table that is truncated again and again before it can be read is not worth more snapshots. */
const MAX_REWRITES = 5

/**
 * Compares every mapped row of both sides while writes go on. Both databases hash their rows by ranges of keys; only
 * ranges whose sums differ are listed. A row's hash has 64 bits and a range's sum 128, so that a range that differs is
 * taken for equal once in 2^64 times. Needs a sync that streams.
 *
 * A row that differs at one position need not be a difference: sync may have read a value of it back from the source that
 * is newer than the position. So what differs is looked at again, when the snapshots are given back. And a table that was
 * truncated since its snapshot was taken looks empty to it: it is compared in a new one.
 *
 * @throws FICUS_SYNC_BEHIND where nothing was copied yet, or not all; the sync file is newer than what sync carries; the target
 *   does not catch up; or `mode: 'exact'` is not to be had. FICUS_MAPPING_CHANGED where sync would not go on with it. FICUS_DATABASE_UNREACHABLE, which one, where a session was lost: `resume` then goes on.
 */
export async function diffCapability(options: DiffOptions): Promise<DiffReport> {
  return withSession(options.source, source =>
    withSession(options.target, async target => {
      const progress = await readStreaming(target, options)
      return new CapabilityDiff(options, source, target, progress).run()
    }),
  )
}

async function readStreaming(target: Client, { capability, direction }: DiffOptions): Promise<Progress> {
  const key = { capability, direction }
  const progress = await readProgress(target, key)
  const beside = progress?.state === 'streaming' ? await readTablesBeside(target, key) : []
  if (progress?.state === 'streaming' && beside.length === 0) return progress
  const why =
    progress === null
      ? 'nothing was copied yet'
      : progress.state === 'ended'
        ? 'it has ended'
        : progress.state === 'copying'
          ? 'the first copy is under way'
          : `${beside.join(', ')} ${beside.length === 1 ? 'is' : 'are'} being copied beside the stream`
  throw new FicusError('FICUS_SYNC_BEHIND', `the ${direction} sync of ${capability} cannot be compared: ${why}`, {
    remedy: 'Wait until `ficus status` shows it streaming.',
  })
}

/** A range that is to be compared. */
interface Task {
  readonly table: TableComparison
  readonly state: DiffState
  readonly range: StoredRange
}

class CapabilityDiff {
  readonly #options: DiffOptions
  readonly #key: ProgressKey
  readonly #source: Client
  readonly #target: Client
  readonly #progress: Progress
  readonly #signal: AbortSignal
  readonly #throttle: Throttle
  readonly #tables: TableComparison[] = []
  readonly #states: DiffState[] = []
  readonly #tasks: Task[] = []
  readonly #positions: string[] = []
  /** Ranges of the leg under way whose rows have to be looked at again. */
  #doubts: Doubt[] = []
  #rewrites = 0
  #mode: DiffMode
  #inexact: string | null = null
  #rows = 0
  #pausedMs = 0
  #since = new Date()
  #resumed = false

  constructor(options: DiffOptions, source: Client, target: Client, progress: Progress) {
    const { mode = 'auto', limits = {}, capability, direction } = options
    this.#options = options
    this.#key = { capability, direction }
    this.#source = source
    this.#target = target
    this.#progress = progress
    this.#signal = options.signal ?? new AbortController().signal
    const check = loadCheck(source, target, this.#key, limits)
    const tell = (reason: string | null) => this.#remark(reason === null ? 'going on' : `waiting: ${reason}`)
    this.#throttle = new Throttle(limits, check, this.#signal, tell)
    // Positions in a broker's topics belong to no snapshot of the source.
    const throughBroker = progress.position?.offsets !== undefined
    this.#mode = mode === 'auto' ? (throughBroker ? 'recheck' : 'exact') : mode
    if (mode === 'auto' && throughBroker) this.#inexact = 'changes come through Kafka'
    if (mode === 'exact' && throughBroker) throw notExact(options, 'changes come through Kafka')
  }

  async run(): Promise<DiffReport> {
    await this.#plan()
    while (this.#tasks.length > 0) {
      await this.#throttle.proceed()
      const leg = await this.#openLeg()
      try {
        await this.#walk(leg)
      } finally {
        await leg[Symbol.asyncDispose]()
      }
      await this.#settleDoubts()
    }
    const tables = this.#tables.map(table => table.result())
    const equal = tables.every(table => table.equal === table.compared)
    // Else the ranges that were not equal can be compared again, without the others.
    if (equal) for (const state of this.#states) await state.forget()
    return {
      tables,
      equal,
      mode: this.#mode,
      inexact: this.#inexact,
      positions: this.#positions,
      pausedMs: this.#pausedMs,
      since: this.#since,
      resumed: this.#resumed,
    }
  }

  async #plan(): Promise<void> {
    const { sync, direction, showValues = false, rangeRows = RANGE_ROWS, limits, resume } = this.#options
    const flows = await shapeFlows(this.#source, this.#target, flowsOf(sync, direction))
    await this.#assertCarried(flows)
    await DiffState.create(this.#target)
    const rows = Math.max(1, Math.min(rangeRows, limits?.maxRowsPerSecond ?? rangeRows))
    for (const flow of flows) {
      const table = new TableComparison(flow, showValues)
      const state = new DiffState(this.#target, this.#key, flow.flow, this.#progress.epoch)
      const kept = resume === true ? await state.load() : []
      const ranges =
        kept.length > 0 ? kept : await state.begin(await planRanges(this.#source, this.#target, flow, rows))
      this.#tables.push(table)
      this.#states.push(state)
      for (const range of ranges) {
        if (range.equalRows === null) this.#tasks.push({ table, state, range })
        else this.#take(table, range)
      }
      const done = ranges.filter(range => range.equalRows !== null).length
      if (done > 0) this.#remark(`${showTable(flow.flow.to)}: ${done} of ${ranges.length} ranges were compared before`)
    }
    this.#tell()
  }

  /** What sync does not carry yet would look like rows that are missing, and a repair of them stop it when it starts. */
  async #assertCarried(flows: readonly ShapedFlow[]): Promise<void> {
    const { capability, direction } = this.#options
    const notes = await readNotes(this.#target, this.#key)
    const due = changedFlows(flows, { notes, tables: this.#progress.tables }).filter(
      ({ kind, note }) => kind === 'add' || (notes.get(note.target)?.mapping ?? note.mapping) !== note.mapping,
    )
    if (due.length === 0) return
    const named = due.map(
      ({ kind, note }) => `${note.target} (${kind === 'add' ? 'added' : 'its mapping has changed'})`,
    )
    throw new FicusError(
      'FICUS_SYNC_BEHIND',
      `the ${direction} sync of ${capability} cannot be compared: it does not carry all of the sync file yet: ${named.join(', ')}`,
      { remedy: 'Restart sync, which reads its sync file when it starts; or put the file back as it was.' },
    )
  }

  /** Counts what an earlier run compared. */
  #take(table: TableComparison, { equalRows, comparedAt }: StoredRange): void {
    this.#resumed = true
    table.compared += equalRows ?? 0
    this.#rows += equalRows ?? 0
    if (comparedAt !== null && comparedAt < this.#since) this.#since = comparedAt
  }

  #legOptions(workers: number): LegOptions {
    const { source, target, timeoutMs = TIMEOUT_MS } = this.#options
    const computed = this.#tables.some(({ flow: { flow } }) => flow.compute !== undefined)
    return { source, target, key: this.#key, timeoutMs, workers, computed, signal: this.#signal }
  }

  async #openLeg(): Promise<Leg> {
    const { workers = WORKERS } = this.#options
    const options = this.#legOptions(Math.max(1, Math.min(Math.floor(workers), this.#tasks.length)))
    if (this.#mode === 'recheck') return openRecheckLeg(options)
    try {
      if (this.#rewrites > MAX_REWRITES) throw new NotAligned('a table was truncated or rewritten each time')
      const leg = await openExactLeg(options)
      this.#pausedMs += leg.pausedMs
      if (leg.position !== null) this.#positions.push(leg.position)
      return leg
    } catch (error) {
      if (!(error instanceof NotAligned)) throw error
      if (this.#options.mode === 'exact') throw notExact(this.#options, error.message, error)
      this.#mode = 'recheck'
      this.#inexact = error.message
      this.#remark(`not at one position (${error.message}); rows that look different are looked at again instead`)
      return openRecheckLeg(options)
    }
  }

  /** Compares ranges until none is left, the snapshots are old, or there is a reason to wait. */
  async #walk(leg: Leg): Promise<void> {
    const until = performance.now() + (this.#options.snapshotMs ?? SNAPSHOT_MS)
    let over = false
    const work = async (pair: SessionPair) => {
      do {
        const task = this.#tasks.shift()
        if (task === undefined) return
        try {
          if (leg.position !== null && (await task.table.isRewritten(pair))) {
            over = true
            this.#postpone(task)
          } else await this.#compare(task, pair, leg.position)
        } catch (error) {
          over = true
          throw await this.#nameLost(error, pair)
        }
      } while (!over && !this.#hasManyDoubts() && performance.now() < until && !(await this.#throttle.mustWait()))
    }
    const ends = await Promise.allSettled(leg.pairs.map(work))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  /** Leaves a range to the next snapshots. */
  #postpone(task: Task): void {
    this.#tasks.unshift(task)
    this.#rewrites += 1
    const { from, to } = task.table.flow.flow
    this.#remark(`${showTable(from)} or ${showTable(to)} was truncated or rewritten meanwhile: comparing it anew`)
  }

  async #compare({ table, state, range }: Task, pair: SessionPair, position: string | null): Promise<void> {
    this.#signal.throwIfAborted()
    // A rest after the last part comes behind the snapshot, which keeps the tables locked: a TRUNCATE would wait for it, and sync too.
    let unspent = 0
    const scan = (sessions: SessionPair) =>
      table.scan(sessions, range, async read => {
        this.#rows += read
        this.#tell()
        this.#signal.throwIfAborted()
        const spent = unspent
        unspent = read
        if (spent > 0) await this.#throttle.spend(spent)
      })
    const { rows, suspects, odd } = position === null ? await inSnapshots(pair, scan) : await scan(pair)
    await this.#throttle.spend(unspent)
    const { maxListed = MAX_LISTED } = this.#options
    table.compared += rows
    table.list(odd, maxListed)
    const doubt = { table, state, range, rows, suspects, restIsEqual: odd.length === 0 }
    if (suspects.length === 0) {
      if (doubt.restIsEqual) await state.equal(range, rows, position)
      return
    }
    // Where there is no room to list rows none is read.
    const isRead = table.differing.length < maxListed
    if (position !== null && isRead) this.#doubts.push(doubt)
    else await settleDoubts([doubt], pair, this.#doubtOptions())
  }

  #hasManyDoubts(): boolean {
    return this.#doubts.reduce((sum, { suspects }) => sum + suspects.length, 0) > MAX_DOUBTS
  }

  /** In sessions of their own: those of the snapshots are over, so that nothing waits for their locks. */
  async #settleDoubts(): Promise<void> {
    const doubts = this.#doubts
    if (doubts.length === 0) return
    this.#doubts = []
    await using leg = await openRecheckLeg(this.#legOptions(1))
    for (const pair of leg.pairs) {
      await settleDoubts(doubts, pair, this.#doubtOptions()).catch(async (error: unknown) => {
        throw await this.#nameLost(error, pair)
      })
    }
  }

  async #nameLost(error: unknown, { source, target }: SessionPair): Promise<unknown> {
    return nameLost(await nameLost(error, source, this.#options.source), target, this.#options.target)
  }

  #doubtOptions(): DoubtOptions {
    const { maxListed = MAX_LISTED, timeoutMs = TIMEOUT_MS } = this.#options
    return { progress: this.#key, timeoutMs, signal: this.#signal, maxListed }
  }

  #tell(): void {
    const estimated = this.#tables.reduce((sum, table) => sum + table.estimatedRows, 0)
    this.#options.onProgress?.({ rows: this.#rows, estimatedRows: Math.max(estimated, this.#rows) })
  }

  #remark(text: string): void {
    this.#options.onRemark?.(text)
  }
}

function notExact({ capability, direction }: DiffOptions, why: string, cause?: unknown): FicusError {
  return new FicusError(
    'FICUS_SYNC_BEHIND',
    `the ${direction} sync of ${capability} cannot be compared at one position: ${why}`,
    { cause, remedy: 'Try again when that is over, or compare with --mode recheck.' },
  )
}
