import { showTable, type TableName } from '@ficus/core/sql/identifier'
import { AlternatingApplier } from '../apply/alternating-applier.ts'
import { type Progress, ProgressMoved } from '../apply/progress.ts'
import type { ChangeBatch, ChangeSource } from '../change-source/change-source.ts'
import { originName } from '../change-source/names.ts'
import { lsnToNumber } from '../change-source/position.ts'
import type { AddedTables } from '../copy/added-tables.ts'
import type { ShapedFlow } from '../copy/first-copy.ts'
import { Heartbeat } from '../lag/heartbeat.ts'
import type { Mirror } from '../mirror/mirror-plan.ts'
import { interleave } from './interleave.ts'
import type { PipelineOptions } from './pipeline-options.ts'
import { passSyncPoint } from './points.ts'
import type { Misfit } from './settle-flows.ts'
import { ReadAnew, type ReadableFlow, SourceWatch, type SourceWatchOptions } from './source-watch.ts'
import type { StatusBoard } from './status-board.ts'

const MAX_PARKED = 1_000
const WATCH_MS = 5_000

/** What a stream is carried with, and where it shows. */
export interface StreamSession {
  readonly options: PipelineOptions
  readonly changes: ChangeSource
  readonly board: StatusBoard
  readonly flows: readonly ShapedFlow[]
  readonly mirrors: readonly Mirror[]
  /** Every table of the source whose changes come. */
  readonly tables: readonly TableName[]
  readonly publication: string
  readonly readable: SourceWatchOptions['readable']
  readonly misfit: Misfit | null
  /** What is read beside the stream. */
  readonly added: AddedTables
  /** Where it begins. */
  readonly progress: Progress
}

/**
 * Applies the source's changes from the stored position on, and tells the source of each batch that is. Between two
 * transactions rows are read beside, where some are to be. One batch may be received while another is applied.
 * @param stopping tells to stop in order: what is being applied is acknowledged first.
 * @param lost tells that the turn is.
 * @throws what ended the stream, if `stopping` did not.
 */
export async function carryStream(session: StreamSession, stopping: AbortSignal, lost: AbortSignal): Promise<void> {
  const { options, changes, board, flows, mirrors, added, progress } = session
  const { source, target } = options
  if (progress.position === null)
    throw new ProgressMoved(`the first copy of the ${options.direction} sync of ${options.capability} was begun anew`)
  const heartbeat = new Heartbeat(source, options.heartbeatMs)
  const origin = originName(options, target.url)
  const maxParked = options.maxParked ?? MAX_PARKED
  const applier = await AlternatingApplier.open({
    source,
    target,
    key: options,
    flows,
    mirrors,
    triggers: options.triggers,
    origin,
    progress,
    maxParked,
  })
  const watch = new SourceWatch({
    source,
    publication: session.publication,
    engine: changes.engine,
    tables: session.tables,
    known: new Map(flows.map(({ flow, source: { oid } }) => [showTable(flow.from), oid])),
    readable: session.readable,
    misfit: session.misfit,
    reached: () => lsnToNumber(position.lsn),
    intervalMs: options.watchMs ?? WATCH_MS,
  })
  const left = new AbortController()
  const reading = AbortSignal.any([lost, left.signal, watch.failed])
  let { position } = progress
  let betweenTransactions = true
  /** What is under way. */
  let applying: Promise<void> = Promise.resolve()
  /** The source is left once it was told of what is under way. */
  const leave = () => {
    applying.catch(() => {}).then(() => left.abort())
  }
  const finish = (batch: ChangeBatch) => {
    changes.giveBack(batch)
    board.parked(applier.parked)
    if (batch.position === null) return
    position = batch.position
    changes.acknowledge(batch.position)
    passSyncPoint('apply.acknowledged')
    heartbeat.reached(lsnToNumber(batch.position.lsn))
    board.applied(batch.position)
  }
  try {
    stopping.addEventListener('abort', leave, { once: true })
    if (stopping.aborted) leave()
    heartbeat.start()
    watch.start()
    board.streaming(progress, heartbeat, added.progress)
    await added.begin(applier)
    const batches = interleave(changes.read(position, reading), () => added.pending && betweenTransactions, leave)
    for await (const batch of batches) {
      if (stopping.aborted) break
      if (batch === null) {
        await applying
        await added.step(applier, position)
        continue
      }
      assertNoneLacking(batch, session)
      board.received(batch)
      added.received(batch)
      const before = applying
      applying = Promise.all([before, applier.apply(batch)]).then(() => finish(batch))
      applying.catch(() => left.abort())
      await (AlternatingApplier.mayGoAhead(batch) ? before : applying)
      betweenTransactions = batch.position !== null
    }
    await applying
    watch.failed.throwIfAborted()
  } finally {
    stopping.removeEventListener('abort', leave)
    await applying.catch(() => {})
    await Promise.all([heartbeat.stop(), watch.stop(), applier.close(), added.close()])
  }
}

/** @throws ReadAnew where changes do not come, unless the rows of their tables have been read anew since, or are being read. */
function assertNoneLacking({ lacking = [] }: ChangeBatch, { readable }: StreamSession): void {
  // Of a transaction that goes on in the next batch the end is not known yet; it is looked at once more then.
  const lacks = ({ flow, since }: ReadableFlow) =>
    lacking.some(
      ({ table, lsn }) =>
        showTable(table) === showTable(flow.from) && (since === null || (lsn !== null && since < lsnToNumber(lsn))),
    )
  const anew = readable
    .filter(lacks)
    .map(({ flow, storage, sweepable }) => ({ flow, storage, anew: { rows: true, gone: sweepable } }))
  if (anew.length > 0) throw new ReadAnew(anew, 'has a change that the connector left out')
}
