import { FicusError } from '@ficus/core/errors/ficus-error'
import { changedUnseen } from '../mapping/table-storage.ts'
import { MIRROR_SCHEMA } from '../mirror/mirror-plan.ts'
import type { ShapedFlow } from './first-copy.ts'
import { type FlowNote, filledBy, noteOf } from './flow-notes.ts'

/** What is to be done about a flow, seen what the target remembers. */
export interface FlowChange {
  readonly shaped: ShapedFlow
  /**
   * - `none`: as it was.
   * - `adopt`: its rows were copied, by a Ficus that wrote no notes; or are not ours to copy.
   * - `add`: its table was never filled.
   * - `read`: its rows are being read, or have to be read anew: they were made by another mapping, or of other values.
   */
  readonly kind: 'none' | 'adopt' | 'add' | 'read'
  /** What the target is to remember. */
  readonly note: FlowNote
}

export interface RememberedSync {
  readonly notes: ReadonlyMap<string, FlowNote>
  /** The target tables that a first copy filled; none where the sync began without one. */
  readonly tables: readonly string[]
}

/**
 * Compares the flows of the sync file with what the target remembers of those it was filled by.
 * @throws FICUS_MAPPING_CHANGED where the rows that are there would be left behind, or no longer be found by their key;
 *   FICUS_SOURCE_CHANGED where a source table is not the one that was copied.
 */
export function changedFlows(flows: readonly ShapedFlow[], { notes, tables }: RememberedSync): FlowChange[] {
  const gone = [...notes.keys()].filter(
    target => !target.startsWith(`${MIRROR_SCHEMA}.`) && flows.every(({ flow }) => filledBy(flow) !== target),
  )
  if (gone.length > 0) throw mappingRemoved(gone)
  return flows.map(shaped => {
    const now = noteOf(shaped.flow, shaped.source)
    const before = notes.get(now.target)
    if (before === undefined) {
      const kind = tables.length === 0 || tables.includes(now.target) ? 'adopt' : 'add'
      return { shaped, kind, note: { ...now, reading: kind === 'add', adopted: kind === 'adopt' } }
    }
    assertSameTable(shaped, before, now)
    if (before.key !== now.key) throw keyChanged(shaped, before, now)
    // Rows that sync did not copy are not read anew either: there the new mapping counts from the next change on.
    const storage = storageSince(shaped, before, now)
    // A mapping that was refused in the end may have made some rows before.
    const isOther = before.mapping !== now.mapping || before.misfit !== null
    if (isOther && tables.includes(now.target)) {
      const { adopted, sweep } = before
      return { shaped, kind: 'read', note: { ...now, storage, adopted, reading: true, sweep: sweep && 'later' } }
    }
    const note = { ...before, source: now.source, mapping: now.mapping, storage, misfit: null }
    return { shaped, kind: note.reading ? 'read' : 'none', note }
  })
}

/** What changed unseen since is left to the watch to see, once the stream is past it (pipeline/source-watch.ts). */
function storageSince({ flow }: ShapedFlow, before: FlowNote, now: FlowNote): FlowNote['storage'] {
  if (before.storage === null || now.storage === null) return now.storage
  const { rows, gone } = changedUnseen(flow, before.storage, now.storage)
  return rows || gone ? before.storage : now.storage
}

function mappingRemoved(targets: readonly string[]): FicusError {
  return new FicusError(
    'FICUS_MAPPING_CHANGED',
    `the sync file no longer fills ${targets.join(', ')}, which ${targets.length === 1 ? 'holds' : 'hold'} rows that sync copied and that would grow old there`,
    {
      remedy: 'Put the mapping back; or roll the capability back to legacy, take it out, and start again.',
      details: { targets },
    },
  )
}

function keyChanged({ flow }: ShapedFlow, before: FlowNote, now: FlowNote): FicusError {
  return new FicusError(
    'FICUS_MAPPING_CHANGED',
    `${flow.path}.key was ${before.key} when ${now.target} was copied and is ${now.key} now: its rows could not be found again`,
    { remedy: 'Put the key back; or roll the capability back to legacy and start again, which copies anew.' },
  )
}

function assertSameTable({ flow }: ShapedFlow, before: FlowNote, now: FlowNote): void {
  if (before.sourceOid === now.sourceOid) return
  if (before.source !== now.source) {
    throw new FicusError(
      'FICUS_MAPPING_CHANGED',
      `${flow.path}.source was ${before.source} when ${now.target} was copied and is ${now.source} now, which is another table`,
      { remedy: 'Put the table back; or roll the capability back to legacy and start again, which copies anew.' },
    )
  }
  throw new FicusError(
    'FICUS_SOURCE_CHANGED',
    `${now.source} is not the table that was copied: it was dropped and made anew, or another one took its name`,
    {
      remedy:
        'If the old table lives under another name, put that into the sync file. Else roll the capability back to legacy and start again, which copies anew.',
    },
  )
}
