import { setTimeout as sleep } from 'node:timers/promises'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { databaseError } from '@ficus/core/ledger/connection'
import type { SyncStatus } from '@ficus/core/ledger/records'
import type { Part } from '@ficus/core/lifecycle/part'
import type { TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { countParked } from '../apply/parked.ts'
import { claimProgress, createProgressTable, type Progress, ProgressMoved, readProgress } from '../apply/progress.ts'
import { retryParked } from '../apply/retry-parked.ts'
import { type ChangeSource, StreamEnded } from '../change-source/change-source.ts'
import { originName, slotName } from '../change-source/names.ts'
import { lsnToNumber } from '../change-source/position.ts'
import { readLogEnd } from '../change-source/slot.ts'
import { AddedTables } from '../copy/added-tables.ts'
import { restoreIndexes } from '../copy/deferred-indexes.ts'
import { firstCopy, type ShapedFlow, shapeFlows } from '../copy/first-copy.ts'
import { filledBy, forgetNotes, noteReadAnew, readMirrorsAnew, readNotes } from '../copy/flow-notes.ts'
import { canSweep } from '../copy/gone-rows.ts'
import { gatherStatistics } from '../copy/statistics.ts'
import { unpublishable } from '../database/failure.ts'
import { endSession, openSession, withSession } from '../database/session.ts'
import { assertMappingFits } from '../mapping/check-mapping.ts'
import { type Flow, flowsOf, opposite, sourceTables } from '../mapping/flow.ts'
import { columnsOf } from '../mapping/flow-columns.ts'
import { inDependencyOrder } from '../mapping/table-order.ts'
import { type Mirror, planMirrors } from '../mirror/mirror-plan.ts'
import { fitMirrors } from '../mirror/mirror-tables.ts'
import { carryStream } from './carry-stream.ts'
import { type Dropped, dropSync } from './drop.ts'
import { asFicusError, mayPass, notBegun, StandsBy } from './pipeline-failures.ts'
import type { PipelineOptions } from './pipeline-options.ts'
import { type Misfit, settleFlows } from './settle-flows.ts'
import { watchSlot } from './slot-watch.ts'
import { assertInHistory, forgetHistory } from './source-history.ts'
import { ReadAnew, type ReadableFlow } from './source-watch.ts'
import { StatusBoard } from './status-board.ts'
import { takeTurn } from './turn.ts'

/** Rows that are read beside the stream at a time; the stream waits for so many at most. */
const CHUNK_ROWS = 10_000
const BACKOFF = { first: 200, last: 5_000 }
/** How long the source stays open for what is being applied when sync is told to stop. */
const LAST_BATCH_MS = 5_000
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
  /** What the stream's changes are merged by: with the mirrors, once it is known of what they consist. */
  #carried: readonly Flow[]
  /** The source's tables that were shaped, by OID. */
  #tablesByOid: ReadonlyMap<number, TableName> = new Map()
  #running: Promise<void> | undefined

  constructor(options: PipelineOptions) {
    const { capability, direction, ledger, source, sync, engine, batchRows } = options
    this.name = `${direction} sync of ${capability}`
    this.#options = options
    this.#slot = slotName(options, source.url)
    this.#carried = flowsOf(sync, direction)
    this.#source = engine({
      capability,
      direction,
      source,
      slot: this.#slot,
      publication: this.#slot,
      tables: sourceTables(this.#carried),
      tablesByOid: () => this.#tablesByOid,
      columnsRead: (table, columns) => columnsOf(this.#carried, table, columns),
      batchRows,
      ignoredOrigins: [originName({ capability, direction: opposite(direction), ledger }, source.url)],
    })
    this.#board = new StatusBoard(direction, this.#source, options.onStatus)
  }

  /** Begins in the background; failures show in the status. */
  async start(): Promise<void> {
    this.#running ??= this.#runWatched()
  }

  /** The state as of now. */
  status(): SyncStatus {
    return this.#board.status(Date.now())
  }

  /** Resolves once the pipeline has stopped or failed. */
  async ended(): Promise<void> {
    await this.#running
  }

  /** What is being applied is finished and, where that does not take long, the source told of it, so that it can let it go. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.race([this.#running, sleep(LAST_BATCH_MS, undefined, { ref: false })])
    await this.#source.stop()
    await this.#running
  }

  /** Stops, and removes all that the sync made: slot, publication, connector, position and copied rows. */
  async drop(): Promise<Dropped> {
    await this.stop()
    return dropSync(this.#options)
  }

  /** Also once it has failed its slot is looked at, since that keeps the log. */
  async #runWatched(): Promise<void> {
    const over = new AbortController()
    const signal = AbortSignal.any([over.signal, this.#stopping.signal])
    const watching = watchSlot(this.#options.source, this.#slot, signal, room => this.#board.slot(room))
    await this.#run()
    over.abort()
    await watching
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
        const standsBy = error instanceof StandsBy
        this.#board.waiting(standsBy ? null : asFicusError(error, this.name))
        await pause(standsBy ? STANDBY_MS : wait, this.#stopping.signal)
        wait = standsBy ? first : Math.min(wait * 2, last)
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
        throw new StandsBy(`another worker carries the ${this.name}`)
      }
      await createProgressTable(session, target)
      await claimProgress(session, this.#options, target)
      await restoreIndexes(session, this.#options)
      const lost = new AbortController()
      session.on('end', () => lost.abort(new StreamEnded('the session that holds the turn was lost')))
      await this.#work(session, signal, lost.signal)
      lost.signal.throwIfAborted()
    } catch (error) {
      throw databaseError(unpublishable(error, target.name), target.name, target.url)
    } finally {
      await endSession(session)
    }
  }

  /** @param stopping, @param lost as in carryStream. */
  async #work(session: Client, stopping: AbortSignal, lost: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([stopping, lost])
    const { source, target, sync, direction } = this.#options
    const flows = await withSession(source, async client => {
      const shaped = await shapeFlows(client, session, flowsOf(sync, direction))
      return inDependencyOrder(session, shaped, ({ flow }) => flow.to)
    })
    const mirrors = planMirrors(this.#options.capability, flows)
    this.#carried = [...flows, ...mirrors].map(({ flow }) => flow)
    this.#tablesByOid = new Map([...flows, ...mirrors].map(({ flow, source: { oid } }) => [oid, flow.from]))
    let progress = await readProgress(session, this.#options)
    if (progress?.state === 'ended' || (direction === 'reverse' && progress?.position == null)) {
      throw notBegun(this.#options)
    }
    await using beside = new AsyncDisposableStack()
    if (progress === null || progress.state === 'copying') {
      await withSession(source, client => assertMappingFits(client, session, sync, direction))
      await forgetNotes(session, this.#options)
      await forgetHistory(session, this.#options)
      await this.#copy(flows, mirrors, signal)
      beside.use(
        gatherStatistics(
          target,
          flows.map(({ flow }) => flow.to),
        ),
      )
      progress = await readProgress(session, this.#options)
    }
    if (progress === null) throw new ProgressMoved(`the progress of ${this.name} was removed`)
    signal.throwIfAborted()
    this.#board.parked(await countParked(session, this.#options))
    if (progress.position !== null) await assertInHistory(source, session, this.#options, progress.position)
    const { added, misfit } = await this.#settle(session, flows, mirrors, progress)
    if (progress.position !== null) await this.#source.prepare(progress.position, signal)
    await fitMirrors(session, mirrors)
    const stream = {
      options: this.#options,
      changes: this.#source,
      board: this.#board,
      flows,
      mirrors,
      tables: sourceTables(this.#carried),
      publication: this.#slot,
      readable: await this.#readable(session, [...flows, ...mirrors]),
      misfit,
      added,
      progress,
    }
    try {
      await carryStream(stream, stopping, lost)
    } catch (error) {
      // Once nothing writes notes any more; the next session reads the rows.
      if (error instanceof ReadAnew) {
        const since = await withSession(this.#options.source, readLogEnd)
        await noteReadAnew(session, this.#options, error.flows, since)
      }
      // What the stream holds does not fit either: it is the mapping that changed.
      const aboutShape = error instanceof FicusError && error.code === 'FICUS_SOURCE_CHANGED'
      throw aboutShape && misfit !== null ? misfit.error : error
    }
  }

  /** All but those that are computed from mirrors: they follow these. */
  async #readable(session: Client, flows: readonly ShapedFlow[]) {
    const notes = await readNotes(session, this.#options)
    return flows.flatMap((shaped): ReadableFlow[] => {
      const { flow } = shaped
      const { storage = null, adopted = false, since = null } = notes.get(filledBy(flow)) ?? {}
      if (flow.reads.length > 0 || storage === null) return []
      // What only one side has is not removed unless a change says so, where sync did not bring it: nobody else may have it.
      const copied = this.#options.direction === 'forward' && !adopted
      const sweepable = copied && canSweep(shaped, this.#carried)
      return [{ flow, storage, sweepable, since: since === null ? null : lsnToNumber(since) }]
    })
  }

  /** What has to be read beside the stream, because the sync file is not the one that the target was filled by. */
  async #settle(
    session: Client,
    flows: readonly ShapedFlow[],
    mirrors: readonly Mirror[],
    progress: Progress,
  ): Promise<{ added: AddedTables; misfit: Misfit | null }> {
    const { source, target, batchRows } = this.#options
    const { toRead, misfit } = await withSession(source, client =>
      settleFlows({
        ...this.#options,
        source: { endpoint: source, client },
        target: { endpoint: target, client: session },
        key: this.#options,
        flows,
        progress,
        publication: this.#slot,
        changes: this.#source,
      }),
    )
    const added = new AddedTables({
      source,
      target: session,
      key: this.#options,
      flows: [...(await readMirrorsAnew(session, this.#options, mirrors)), ...toRead],
      carried: this.#carried,
      chunkRows: Math.min(batchRows, CHUNK_ROWS),
      retryParked: async table => {
        await retryParked({ ...this.#options, by: 'sync', expected: new Set([table]) }, { table })
      },
      onProgress: progress => this.#board.copyingBeside(progress),
    })
    return { added, misfit }
  }

  async #copy(flows: readonly ShapedFlow[], mirrors: readonly Mirror[], signal: AbortSignal): Promise<void> {
    const { source, target, copyWorkers } = this.#options
    await firstCopy({
      source,
      target,
      key: this.#options,
      flows,
      mirrors,
      slot: this.#slot,
      failoverSlot: this.#options.failoverSlot ?? true,
      workers: copyWorkers,
      indexes: this.#options.copyIndexes ?? 'after',
      triggers: this.#options.triggers,
      onProgress: progress => this.#board.copying(progress),
      signal,
    })
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {})
}
