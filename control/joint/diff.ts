import { availableParallelism } from 'node:os'
import { type DiffMode, type DiffReport, diffCapability } from '@ficus/cdc/diff/diff-capability'
import type { Difference } from '@ficus/cdc/diff/recheck'
import { type RepairedTable, repairRows } from '@ficus/cdc/diff/repair'
import type { LoadLimits } from '@ficus/cdc/diff/throttle'
import type { Direction } from '@ficus/cdc/mapping/flow'
import { endpointsOf, loadSyncOf, triggersOf } from '@ficus/cdc/worker/capability-sync'
import type { Capability } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Control } from '../control.ts'
import { directionOf } from './direction.ts'

// What control asks of cdc about rows that differ.

export type { LoadLimits }

/** A row that is not the same on both sides: `missing` on the side that rows are carried to, `extra` there, or `different`. */
export interface DifferingRow extends Difference {
  /** `public.products -> catalog.items`, or `catalog.items -> public.products` in reverse. */
  readonly table: string
}

export interface DiffedTable {
  readonly table: string
  readonly compared: number
  /** Rows that differ, those included that are not named. */
  readonly differing: number
  /** Rows that changed each time they were looked at. */
  readonly undecided: number
}

/** How it was compared. */
export interface DiffManner {
  /** `exact`: both databases at one position; `recheck`: what looked different was looked at again. */
  readonly mode: DiffMode
  /** Why it was not exact, where that was wanted if possible. */
  readonly inexact: string | null
  /** Where both sides stood, in the source's log. */
  readonly positions: readonly string[]
  /** How long sync stood still for it, ms. */
  readonly pausedMs: number
  /** When the oldest part was compared: before this run, where it went on with another. */
  readonly since: string
  /** It went on with another run: part of it was compared before this one. */
  readonly resumed: boolean
  /** Rows that looked different, and were equal when they were looked at again. */
  readonly settled: number
  readonly seconds: number
}

/** What a comparison of all mapped rows found. */
export interface DataDiff {
  /** In reverse the monolith's rows are compared with the service's, to which they belong. */
  readonly direction: Direction
  readonly tables: readonly DiffedTable[]
  /** The first of those that differ. */
  readonly rows: readonly DifferingRow[]
  readonly manner: DiffManner
}

export interface DiffOptions {
  readonly signal: AbortSignal
  readonly mode?: DiffMode | 'auto'
  /** Goes on with a run that was broken off, or compares again only what was not equal. */
  readonly resume?: boolean
  readonly showValues?: boolean
  readonly workers?: number
  readonly limits?: LoadLimits
  /** Counts rows. */
  onProgress?(done: number, total: number): void
  onRemark?(remark: string): void
}

/** A comparison's findings, and what a repair needs of them. */
export interface ComparedData {
  readonly diff: DataDiff
  readonly report: DiffReport
}

/** A server with more sessions at work than this is busy, as far as can be told from here. */
const MAX_ACTIVE = Math.max(16, 2 * availableParallelism())

/** What a comparison may cost others, unless a person says otherwise. */
export function usualLimits({ gates }: Pick<Capability, 'gates'>): LoadLimits {
  return { maxLagSeconds: gates.lag.maxSeconds, maxActive: MAX_ACTIVE }
}

/** How many rows that differ are named. */
const NAMED_ROWS = 50

/**
 * Compares every mapped row of both sides while writes go on, in the direction in which they are carried. Needs a sync that
 * streams.
 * @throws FICUS_SYNC_BEHIND where nothing was copied yet, or the target does not catch up.
 */
export async function diffData(control: Control, capability: string, options: DiffOptions): Promise<DataDiff> {
  return (await compareData(control, capability, options)).diff
}

/** As `diffData`, for a caller that may repair what differs. */
export async function compareData(control: Control, capability: string, options: DiffOptions): Promise<ComparedData> {
  const started = performance.now()
  const { loaded } = control
  const { onProgress, ...rest } = options
  const direction = await directionOf(control, capability)
  const report = await diffCapability({
    ...rest,
    ...endpointsOf(loaded, capability, direction),
    capability,
    direction,
    sync: await loadSyncOf(loaded, capability),
    onProgress: ({ rows, estimatedRows }) => onProgress?.(rows, estimatedRows),
  })
  return { report, diff: toDataDiff(report, direction, Math.round(performance.now() - started) / 1_000) }
}

/**
 * Brings the listed rows that differ to what the source holds, through the applier's merge, and compares them again.
 * @throws FICUS_SYNC_BEHIND where the phase was moved meanwhile, and rows are carried the other way.
 */
export async function repairData(
  control: Control,
  capability: string,
  { report, diff: { direction } }: ComparedData,
  signal: AbortSignal,
): Promise<RepairedTable[]> {
  const { loaded } = control
  if ((await directionOf(control, capability)) !== direction) {
    throw new FicusError(
      'FICUS_SYNC_BEHIND',
      `rows of ${capability} are no longer carried ${direction}: none is repaired`,
    )
  }
  const sync = await loadSyncOf(loaded, capability)
  const triggers = triggersOf(loaded, capability, direction)
  const ends = endpointsOf(loaded, capability, direction)
  const ledger = await control.ledger.id()
  return repairRows({ capability, direction, ledger, ...ends, sync, triggers, signal }, report.tables)
}

function toDataDiff(report: DiffReport, direction: Direction, seconds: number): DataDiff {
  const { tables, mode, inexact, positions, pausedMs, since, resumed } = report
  const name = ({ source, target }: DiffReport['tables'][number]) => `${source} -> ${target}`
  const rows = tables.flatMap(table => table.differing.map(row => ({ table: name(table), ...row })))
  return {
    direction,
    tables: tables.map(table => ({
      table: name(table),
      compared: table.compared,
      differing: table.differing.length + table.unlisted,
      undecided: table.undecided,
    })),
    rows: rows.slice(0, NAMED_ROWS),
    manner: {
      mode,
      inexact,
      positions,
      pausedMs: Math.round(pausedMs),
      since: since.toISOString(),
      resumed,
      settled: tables.reduce((sum, table) => sum + table.settled, 0),
      seconds,
    },
  }
}
