import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { databaseError } from '@ficus/core/ledger/connection'
import type { Triggers } from '@ficus/core/config/schema'
import type { SyncStatus } from '@ficus/core/ledger/records'
import type { Part } from '@ficus/core/lifecycle/part'
import { showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { Applier } from '../apply/applier.ts'
import { claimProgress, createProgressTable, type Progress, ProgressMoved, readProgress } from '../apply/progress.ts'
import { type ChangeSource, type ChangeSourceFactory, SlotBusy, StreamEnded } from '../change-source/change-source.ts'
import { originName, slotName } from '../change-source/names.ts'
import { lsnToNumber } from '../change-source/position.ts'
import { firstCopy, type ShapedFlow, shapeFlows } from '../copy/first-copy.ts'
import { judgeFailure } from '../database/failure.ts'
import { type Endpoint, endSession, openSession, withSession } from '../database/session.ts'
import { Heartbeat } from '../lag/heartbeat.ts'
import { assertMappingFits } from '../mapping/check-mapping.ts'
import { type Direction, type Flow, flowsOf, opposite, type Sync } from '../mapping/flow.ts'
import { flowColumns } from '../mapping/flow-columns.ts'
import { inDependencyOrder } from '../mapping/table-order.ts'
import { type Dropped, dropSync } from './drop.ts'
import { passSyncPoint } from './points.ts'
import { StatusBoard } from './status-board.ts'
import { takeTurn } from './turn.ts'

export interface PipelineOptions {
  readonly capability: string
  readonly direction: Direction
  /** The id of the ledger that asks for it. */
  readonly ledger: string
  /** Where changes come from: the monolith's database for forward. */
  readonly source: Endpoint
  readonly target: Endpoint
  readonly sync: Sync
  readonly engine: ChangeSourceFactory
  /** Rows in one applied transaction, about. */
  readonly batchRows: number
  readonly copyWorkers: number
  /** How many changes may be parked before a refused one stops the sync; 1,000 unless given. */
  readonly maxParked?: number
  /** Whether the target's triggers and foreign keys act on what is written; `auto` unless given. */
  readonly triggers?: Triggers
  readonly onStatus?: (status: SyncStatus) => void
  /** Waits between attempts, ms: the first, doubled until the last. */
  readonly backoff?: { readonly first: number; readonly last: number }
  readonly heartbeatMs?: number
}

const MAX_PARKED = 1_000
const BACKOFF = { first: 200, last: 5_000 }
/** How often a worker that stands by looks whether the other one is gone. */
const STANDBY_MS = 500

/**
 * Carries one capability's rows in one direction: first copy, then the stream, for ever. Whatever goes wrong and may
 * pass is tried again from the stored position; what somebody has to mend ends it as `failed`. Of several workers for
 * the same capability one works and the others stand by.
 */
export class Pipeline implements Part {
  readonly name: string
  readonly #options: PipelineOptions
  readonly #stopping = new AbortController()
  readonly #source: ChangeSource
  readonly #slot: string
  readonly #board: StatusBoard
  #running: Promise<void> | undefined

  constructor(options: PipelineOptions) {
    const { capability, direction, ledger, source, sync, engine, batchRows } = options
    this.name = `${direction} sync of ${capability}`
    this.#options = options
    this.#slot = slotName(options, source.url)
    const flows = flowsOf(sync, direction)
    this.#source = engine({
      capability,
      direction,
      source,
      slot: this.#slot,
      publication: this.#slot,
      tables: distinctTables(flows),
      columnsRead: (table, columns) => {
        const ofTable = flows.filter(({ from }) => showTable(from) === showTable(table))
        return new Set(ofTable.flatMap(flow => [...flowColumns(flow, columns)]))
      },
      batchRows,
      ignoredOrigins: [originName({ capability, direction: opposite(direction), ledger }, source.url)],
    })
    this.#board = new StatusBoard(direction, this.#source, options.onStatus)
  }

  /** Begins in the background; failures show in the status. */
  async start(): Promise<void> {
    this.#running ??= this.#run()
  }

  /** The state as of now. */
  status(): SyncStatus {
    return this.#board.status(Date.now())
  }

  /** Resolves once the pipeline has stopped or failed. */
  async ended(): Promise<void> {
    await this.#running
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#source.stop()
    await this.#running
  }

  /** Stops, and removes all that the sync made: slot, publication, connector, position and copied rows. */
  async drop(): Promise<Dropped> {
    await this.stop()
    return dropSync(this.#options)
  }

  async #run(): Promise<void> {
    const { first, last } = this.#options.backoff ?? BACKOFF
    let wait = first
    while (!this.#stopping.signal.aborted) {
      const startedAt = performance.now()
      try {
        await this.#session(this.#stopping.signal)
      } catch (error) {
        if (this.#stopping.signal.aborted) break
        if (!mayPass(error)) {
          this.#board.failed(asFicusError(error, this.name))
          return
        }
        if (performance.now() - startedAt > last) wait = first
        this.#board.waiting(isStandby(error) ? null : asFicusError(error, this.name))
        await pause(isStandby(error) ? STANDBY_MS : wait, this.#stopping.signal)
        wait = isStandby(error) ? first : Math.min(wait * 2, last)
      }
    }
    this.#board.stopped()
  }

  /** One life between two failures: everything is opened anew, and what the databases say counts, not what we remember. */
  async #session(signal: AbortSignal): Promise<void> {
    const { target, capability, direction } = this.#options
    let session: Client | undefined
    try {
      session = await openSession(target)
      if (!(await takeTurn(session, capability, direction))) {
        throw new SlotBusy(`another worker carries the ${this.name}`)
      }
      await createProgressTable(session, target)
      await claimProgress(session, this.#options, target)
      const lost = new AbortController()
      session.on('end', () => lost.abort(new StreamEnded('the session that holds the turn was lost')))
      await this.#work(session, AbortSignal.any([signal, lost.signal]))
      lost.signal.throwIfAborted()
    } catch (error) {
      throw databaseError(error, target.name, target.url)
    } finally {
      await endSession(session)
    }
  }

  async #work(session: Client, signal: AbortSignal): Promise<void> {
    const { source, sync, direction } = this.#options
    const flows = await withSession(source, async client => {
      const shaped = await shapeFlows(client, session, flowsOf(sync, direction))
      return inDependencyOrder(session, shaped, ({ flow }) => flow.to)
    })
    let progress = await readProgress(session, this.#options)
    if (progress?.state === 'ended' || (direction === 'reverse' && progress?.position == null)) {
      throw notBegun(this.#options)
    }
    if (progress === null || progress.state === 'copying') {
      await withSession(source, client => assertMappingFits(client, session, sync, direction))
      await this.#copy(flows, signal)
      progress = await readProgress(session, this.#options)
    }
    if (progress === null) throw new ProgressMoved(`the progress of ${this.name} was removed`)
    signal.throwIfAborted()
    if (progress.position !== null) await this.#source.prepare(progress.position, signal)
    await this.#stream(flows, progress, signal)
  }

  async #copy(flows: readonly ShapedFlow[], signal: AbortSignal): Promise<void> {
    const { source, target, copyWorkers } = this.#options
    await firstCopy({
      source,
      target,
      key: this.#options,
      flows,
      slot: this.#slot,
      workers: copyWorkers,
      triggers: this.#options.triggers,
      onProgress: progress => this.#board.copying(progress),
      signal,
    })
  }

  async #stream(flows: readonly ShapedFlow[], progress: Progress, signal: AbortSignal): Promise<void> {
    const { source, target } = this.#options
    if (progress.position === null) throw new ProgressMoved(`the first copy of ${this.name} was begun anew`)
    const heartbeat = new Heartbeat(source, this.#options.heartbeatMs)
    const origin = originName(this.#options, target.url)
    const maxParked = this.#options.maxParked ?? MAX_PARKED
    const applier = await Applier.open({ source, target, key: this.#options, flows, origin, triggers: this.#options.triggers, progress, maxParked })
    try {
      heartbeat.start()
      this.#board.streaming(progress, heartbeat)
      for await (const batch of this.#source.read(progress.position, signal)) {
        this.#board.received(batch)
        await applier.apply(batch)
        this.#board.parked(applier.parked)
        if (batch.position === null) continue
        this.#source.acknowledge(batch.position)
        passSyncPoint('apply.acknowledged')
        heartbeat.reached(lsnToNumber(batch.position.lsn))
        this.#board.applied(batch.position)
      }
    } finally {
      await Promise.all([heartbeat.stop(), applier.close()])
    }
  }
}

/** A target that holds rows of its own is never copied to: its start is recorded beforehand (begin-without-copy.ts). */
function notBegun({ direction, capability }: PipelineOptions): FicusError {
  return new FicusError('FICUS_SYNC_NOT_BEGUN', `nobody recorded where the ${direction} sync of ${capability} starts`)
}

function isStandby(error: unknown): boolean {
  return error instanceof SlotBusy
}

/** Whether trying again without anybody's doing may help. */
function mayPass(error: unknown): boolean {
  if (error instanceof SlotBusy || error instanceof StreamEnded || error instanceof ProgressMoved) return true
  return judgeFailure(error) === 'passing'
}

function distinctTables(flows: readonly Flow[]): TableName[] {
  return [...new Map(flows.map(({ from }) => [showTable(from), from])).values()]
}

/** An engine may wrap why its stream ended, so that it is tried again. */
function asFicusError(error: unknown, what: string): FicusError {
  if (error instanceof FicusError) return error
  if (error instanceof StreamEnded && error.cause instanceof FicusError) return error.cause
  return new FicusError('FICUS_INTERNAL', `${what}: ${messageOf(error)}`, { cause: error })
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {})
}
