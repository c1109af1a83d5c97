import { setTimeout as sleep } from 'node:timers/promises'
import type { Triggers } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Client, QueryResult } from 'pg'
import type { Change, ChangeBatch } from '../change-source/change-source.ts'
import { lsnToNumber, type Position } from '../change-source/position.ts'
import { judgeFailure } from '../database/failure.ts'
import { type Endpoint, endSession } from '../database/session.ts'
import { Derivation } from '../mirror/derivation.ts'
import type { Mirror } from '../mirror/mirror-plan.ts'
import { passSyncPoint } from '../pipeline/points.ts'
import { Merge, type Staged } from './merge.ts'
import { Parking } from './parking.ts'
import { cutBatch, isPauseHeld } from './pause.ts'
import { lockProgress, moveProgress, type Progress, type ProgressKey, ProgressMoved } from './progress.ts'
import { commitRefused } from './refusal.ts'
import { segmentsOf } from './segments.ts'
import type { TargetedFlow } from './staging.ts'
import { targetChange } from './target-changes.ts'
import { openWriterSession, type WriterSession } from './writer-session.ts'

/** How often it is asked whether to go on. */
const STAND_STILL_MS = 5

/** What an applier needs to know. */
export interface ApplierOptions {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly key: ProgressKey
  /** In the order in which inserts suit the target's foreign keys. */
  readonly flows: readonly TargetedFlow[]
  /** The mirrors from which the rows of flows with `reads` are computed. */
  readonly mirrors: readonly Mirror[]
  readonly origin: string
  readonly triggers?: Triggers | undefined
  readonly progress: Progress
  /** How many changes may be parked before a refused one stops sync instead. */
  readonly maxParked: number
}

/**
 * Writes batches to a target, each in one transaction together with the position (invariant 4): rows are staged as they
 * came, then merged by statements whose select list is the mapping.
 */
export class Applier {
  readonly #options: ApplierOptions
  readonly #session: WriterSession
  readonly #client: Client
  readonly #merge: Merge
  #position: Position
  /** A transaction of the source larger than one batch is under way in one of the target. */
  #open = false
  #openRows = 0
  /** Where the open transaction of the target has to end at the latest. */
  #pauseAt: bigint | null = null
  readonly #parking: Parking
  /** The target's tables were compared with what they were at the start, within this transaction. */
  #targetSeen = false
  /** What is staged already of the batch that is applied next, in a transaction without the row lock. */
  #ahead: Staged | null = null

  private constructor(options: ApplierOptions, session: WriterSession, position: Position, derivation: Derivation) {
    this.#options = options
    this.#session = session
    this.#client = session.client
    this.#position = position
    this.#merge = new Merge(options, session.client, derivation)
    this.#parking = new Parking({
      client: session.client,
      key: options.key,
      maxParked: options.maxParked,
      stagingsOf: change => this.#merge.stagingsOf(change.relation),
      mayBeThere: table => this.#merge.expected.has(table),
    })
  }

  /** @param options whose progress has a position. */
  static async open(options: ApplierOptions): Promise<Applier> {
    const { position } = options.progress
    if (position === null) throw new TypeError('an applier begins after the first copy')
    const session = await openWriterSession(options.target, options.origin, options.triggers)
    try {
      return new Applier(
        options,
        session,
        position,
        await Derivation.open(session.client, options.flows, options.mirrors),
      )
    } catch (error) {
      await endSession(session.client)
      throw error
    }
  }

  /**
   * Applies a batch. When this resolves and the batch has a position, both are committed.
   * What the target refuses of it is parked with it.
   * @throws FICUS_CHANGE_REFUSED where it cannot be parked; FICUS_SOURCE_CHANGED; ProgressMoved where another worker wrote
   *   meanwhile. Nothing of the batch is then kept; the applier is to be closed.
   */
  async apply(batch: ChangeBatch): Promise<void> {
    let rest: ChangeBatch | null = batch
    while (rest !== null) rest = await this.#applyUntilPause(rest)
  }

  /** Where the target stands, as far as this session knows. */
  get position(): Position {
    return this.#position
  }

  /** Another session has brought the target to this position. */
  set position(position: Position) {
    this.#position = position
  }

  /**
   * Stages a batch that will be applied next, while another session is still busy with the one before: nothing is locked,
   * and nobody sees it. Whatever is more than filling known staging tables is left for `apply`, where a failure of this shows
   * again too.
   */
  async stage(batch: ChangeBatch): Promise<void> {
    const [changes, ...others] = segmentsOf(batch.changes)
    if (changes === undefined || others.length > 0 || batch.position === null) return
    if (this.#open || this.#parking.active || !this.#merge.isPrepared(changes)) return
    try {
      // Whatever the default: the other session is about to move the position, which this one has to see.
      await this.#client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
      this.#merge.transactions = batch.transactions
      const staged = await this.#merge.stage(batch.data, changes)
      if (staged.rest.length === 0) this.#ahead = staged
      else await this.#client.query('ROLLBACK')
    } catch {
      await this.#client.query('ROLLBACK').catch(() => {})
    }
  }

  /** Applies a batch up to where somebody wants it to stand still. @returns what is to be applied later. */
  async #applyUntilPause(whole: ChangeBatch): Promise<ChangeBatch | null> {
    const isNew = !this.#open
    let committing = false
    try {
      let staged: Staged | null = null
      if (!this.#open) {
        staged = this.#takeStaged()
        this.#pauseAt = await this.#begin({ staged: staged !== null })
        if (staged !== null && (this.#pauseAt !== null || this.#parking.active)) {
          // There is more to do than to merge all of it.
          staged = null
          await this.#client.query('ROLLBACK')
          this.#pauseAt = await this.#begin()
        }
        if (this.#pauseAt !== null && lsnToNumber(this.#position.lsn) >= this.#pauseAt) {
          await this.#standStill()
          return whole
        }
      }
      // The batch that ends a transaction of several may go on with others.
      const { before: batch, after: rest } =
        this.#pauseAt === null ? { before: whole, after: null } : cutBatch(whole, this.#pauseAt)
      this.#merge.transactions = batch.transactions
      if (staged !== null) await this.#applyChanges(batch, staged.changes, staged)
      else {
        for (const changes of segmentsOf(batch.changes)) {
          await this.#merge.prepare(changes)
          await this.#applyChanges(batch, changes)
        }
      }
      this.#openRows += batch.changes.length
      committing = batch.position !== null
      if (batch.position !== null) await this.#commit(batch.position, batch.lastCommit)
      return rest
    } catch (error) {
      // The session is thrown away with all it holds, but the row lock should not wait for that.
      await this.#client.query('ROLLBACK').catch(() => {})
      if (committing && judgeFailure(error) === 'data') {
        if (isNew && !this.#merge.checksAtOnce) return this.#checkAtOnce(whole)
        if (whole.position !== null) throw commitRefused(error, whole.position.lsn)
      }
      const aboutShape = error instanceof FicusError && error.code === 'FICUS_SOURCE_CHANGED'
      throw (aboutShape ? await targetChange(this.#client, this.#options.flows) : null) ?? error
    }
  }

  /** How many changes are parked. */
  get parked(): number {
    return this.#parking.count
  }

  /**
   * Applies changes that were parked, all of them or none, beside the worker that carries this sync: the row lock keeps
   * the two apart, and the position stays.
   * @param read what is to be applied, read under the lock.
   * @param finish what else the transaction does.
   * @throws what the target says; FICUS_SYNC_BEHIND where the sync was dropped or copies anew. The applier is then to be closed.
   */
  async applyParked(
    read: (client: Client) => Promise<Pick<ChangeBatch, 'data' | 'changes'>>,
    finish: (client: Client) => Promise<void>,
  ): Promise<void> {
    try {
      await this.#begin({ wherever: true })
      const { data, changes } = await read(this.#client)
      for (const segment of segmentsOf(changes)) {
        await this.#merge.prepare(segment)
        for (let rest = segment; rest.length > 0; ) {
          await this.#client.query('SAVEPOINT ficus')
          const staged = await this.#merge.stage(data, rest)
          await this.#merge.run(staged)
          rest = staged.rest
        }
      }
      await finish(this.#client)
      await this.#client.query('COMMIT')
      this.#open = false
    } catch (error) {
      await this.#client.query('ROLLBACK').catch(() => {})
      throw error instanceof ProgressMoved ? gone(this.#options.key, error) : error
    }
  }

  /** Applies rows that were read beside the stream, and runs `note` with them (copy/added-tables.ts). */
  async applyBeside(batch: ChangeBatch, note: string, mirrors: boolean): Promise<void> {
    let committing = false
    try {
      await this.#begin()
      await this.#merge.prepare(batch.changes, { beside: mirrors ? 'mirrors too' : 'no mirrors' })
      await this.#applyChanges(batch, batch.changes)
      committing = true
      await this.#client.query(`${note}; COMMIT`)
      this.#open = false
    } catch (error) {
      await this.#client.query('ROLLBACK').catch(() => {})
      if (!committing || this.#merge.checksAtOnce || judgeFailure(error) !== 'data') throw error
      await this.#checkingAtOnce(() => this.applyBeside(batch, note, mirrors))
    }
  }

  /** Inserts into these source tables may meet rows that were read beside the stream: they are upserts. */
  expectRows(tables: ReadonlySet<string>): void {
    this.#merge.expected = tables
  }

  async close(): Promise<void> {
    await Promise.all([endSession(this.#client), this.#merge.close()])
  }

  /** Lets the row lock go for a moment. The source's reader goes on meanwhile, and keeps its connection alive. */
  async #standStill(): Promise<void> {
    await this.#client.query('ROLLBACK')
    this.#open = false
    await sleep(STAND_STILL_MS)
  }

  #takeStaged(): Staged | null {
    const staged = this.#ahead
    this.#ahead = null
    return staged
  }

  /**
   * Begins a transaction, or goes on with the one in which rows are staged, and takes the row lock.
   * @param wherever the target need not stand where this session left it.
   * @returns where somebody wants the target to stand still, or null.
   */
  async #begin({ staged = false, wherever = false } = {}): Promise<bigint | null> {
    const { triggersSilent, transactionMark } = this.#session
    const constraints = triggersSilent ? '' : 'SET CONSTRAINTS ALL DEFERRED'
    const lock = `${lockProgress(this.#options.key)}; ${transactionMark}${constraints}`
    const results = await queryAll(this.#client, staged ? lock : `BEGIN; ${lock}`)
    const row: LockedProgress = results[staged ? 0 : 1]?.rows[0] ?? {}
    const stored = row.position === undefined ? '' : JSON.stringify(JSON.parse(row.position))
    const expected = JSON.stringify(this.#position)
    if ((!wherever && sorted(stored) !== sorted(expected)) || Number(row.epoch) !== this.#options.progress.epoch) {
      throw new ProgressMoved(`the target stands at ${stored}, not at ${expected}`)
    }
    await this.#parking.begin(Number(row.parked_version))
    passSyncPoint('apply.begun')
    this.#open = true
    this.#targetSeen = false
    this.#openRows = 0
    if (row.pause_at == null || !(await isPauseHeld(this.#client, this.#options.key))) return null
    return lsnToNumber(row.pause_at)
  }

  /** Applies a batch again whose commit was refused, so that it shows which change a deferred constraint is about. */
  async #checkAtOnce(batch: ChangeBatch): Promise<ChangeBatch | null> {
    return this.#checkingAtOnce(() => this.#applyUntilPause(batch))
  }

  async #checkingAtOnce<T>(apply: () => Promise<T>): Promise<T> {
    this.#open = false
    // What the transaction made went with it.
    await this.#merge.forget()
    this.#parking.forget()
    this.#merge.checksAtOnce = true
    try {
      return await apply()
    } finally {
      this.#merge.checksAtOnce = false
    }
  }

  async #commit(position: Position, lastCommit: number | null): Promise<void> {
    passSyncPoint('apply.merged')
    const committed = this.#client.query(
      `${moveProgress(this.#options.key, position, this.#openRows, lastCommit)}; COMMIT`,
    )
    passSyncPoint('apply.committing')
    await committed
    passSyncPoint('apply.committed')
    this.#position = position
    this.#open = false
  }

  /** Applies changes at once; if the server refuses a value, in halves, until it is clear which change it is: that is parked. */
  async #applyChanges(batch: ChangeBatch, all: readonly Change[], ahead: Staged | null = null): Promise<void> {
    let staged = ahead
    let rest = all
    while (rest.length > 0) {
      const changes = this.#parking.active ? await this.#parking.setAside(batch, rest) : rest
      if (changes.length === 0) return
      rest = await this.#applyTogether(batch, changes, staged)
      staged = null
    }
  }

  /** @returns those of the changes that are still to be applied. */
  async #applyTogether(batch: ChangeBatch, all: readonly Change[], ahead: Staged | null): Promise<readonly Change[]> {
    let staged = ahead
    await this.#client.query('SAVEPOINT ficus')
    try {
      staged ??= await this.#merge.stage(batch.data, all)
      await this.#merge.run(staged)
    } catch (error) {
      const changes = staged?.changes ?? all
      if (judgeFailure(error) !== 'data') throw error
      await this.#client.query('ROLLBACK TO SAVEPOINT ficus; RELEASE SAVEPOINT ficus')
      await this.#assertTargetUnchanged()
      const [only] = changes
      if (only === undefined || changes.length > 1) {
        // Together, rows may collide that did not one after the other: two that swap a unique value, say.
        const middle = Math.ceil(changes.length / 2)
        await this.#applyChanges(batch, changes.slice(0, middle))
        await this.#applyChanges(batch, changes.slice(middle))
      } else {
        await this.#parking.park(batch, only, error)
      }
    }
    return staged?.rest ?? []
  }

  /** Once in a transaction that meets a refusal. */
  async #assertTargetUnchanged(): Promise<void> {
    if (this.#targetSeen) return
    const change = await targetChange(this.#client, this.#options.flows)
    if (change !== null) throw change
    this.#targetSeen = true
  }
}

function gone({ capability, direction }: ProgressKey, cause: ProgressMoved): FicusError {
  return new FicusError(
    'FICUS_SYNC_BEHIND',
    `the ${direction} sync of ${capability} was dropped meanwhile, or copies anew: nothing more is applied to its rows`,
    {
      cause,
      remedy: `Look at \`ficus status ${capability}\`: what was parked of the sync that is gone went with it, and a new copy brings its rows.`,
    },
  )
}

/** What `lockProgress` finds; nothing of it where the sync was dropped. */
interface LockedProgress {
  readonly position?: string
  readonly epoch?: string
  readonly parked_version?: string
  readonly pause_at?: string | null
}

/** jsonb sorts the keys of an object; positions are compared as values. */
function sorted(json: string): string {
  return json === '' ? '' : JSON.stringify(JSON.parse(json, (_, value) => sortKeys(value)))
}

function sortKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The results of several statements sent as one text. pg types that as one result. */
async function queryAll(client: Client, sql: string): Promise<readonly QueryResult[]> {
  const results: QueryResult | readonly QueryResult[] = await client.query(sql)
  return Array.isArray(results) ? results : [results]
}
