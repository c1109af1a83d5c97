import { FicusError } from '@ficus/core/errors/ficus-error'
import { quoteTable, showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type ChangeSource, StreamEnded } from '../change-source/change-source.ts'
import { lsnToNumber } from '../change-source/position.ts'
import { readLogEnd } from '../change-source/slot.ts'
import { type FlowAnew, filledBy } from '../copy/flow-notes.ts'
import { type Endpoint, endSession, openSession } from '../database/session.ts'
import type { Flow } from '../mapping/flow.ts'
import { changedUnseen, flowStorage, readStorage, type TableStorage } from '../mapping/table-storage.ts'
import type { Misfit } from './settle-flows.ts'

export interface SourceWatchOptions {
  readonly source: Endpoint
  readonly publication: string
  readonly engine: ChangeSource['engine']
  /** The tables that changes are read of. */
  readonly tables: readonly TableName[]
  /** OIDs of those of which it is known which table was copied, by name. */
  readonly known: ReadonlyMap<string, number>
  readonly readable: readonly ReadableFlow[]
  /** What is to be said once the stream has come there. */
  readonly misfit: Misfit | null
  /** How far the stream is applied. */
  readonly reached: () => bigint
  readonly intervalMs: number
}

/** A flow whose rows can be read anew. */
export interface ReadableFlow {
  readonly flow: Flow
  /** What its table was like when they were read. */
  readonly storage: TableStorage
  /** Rows that the source no longer has can be found, see copy/gone-rows.ts. */
  readonly sweepable: boolean
  /** Where the source's log was when they began to be read for the sake of what does not come; null where they are not. */
  readonly since: bigint | null
}

/** The session has to begin anew: what came of some tables is not all that they hold, and they are to be read anew. */
export class ReadAnew extends StreamEnded {
  readonly flows: readonly FlowAnew[]

  /** @param why said of the tables: `was rewritten by ALTER TABLE`. */
  constructor(flows: readonly FlowAnew[], why: string) {
    const tables = [...new Set(flows.map(({ flow }) => showTable(flow.from)))].join(', ')
    super(`${tables} ${why}`, {
      cause: new FicusError('FICUS_DATABASE_BUSY', `${tables} ${why}: all rows are read anew`, {
        remedy: 'It goes on by itself.',
      }),
    })
    this.flows = flows
  }
}

/** What is looked at of one table: whatever changes it so that its changes no longer come. */
interface WatchedTable {
  readonly name: string
  readonly oid: string | null
  /** What the table that was there at first is called now; null where it was dropped. */
  readonly now: string | null
  readonly published: boolean
  readonly children: boolean
}

/**
 * Looks from time to time whether the stream still holds all changes of the tables. A table that was renamed, swapped
 * for another, taken out of the publication or given child tables sends nothing more, and nothing in the stream tells.
 */
export class SourceWatch {
  readonly #options: SourceWatchOptions
  readonly #failed = new AbortController()
  readonly #oids = new Map<string, string>()
  #client: Client | undefined
  /** What was found of flows, by what they fill, and where the source's log was by then. */
  #found = new Map<string, { readonly seen: string; readonly at: bigint }>()
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: SourceWatchOptions) {
    this.#options = options
    for (const table of options.tables) {
      const oid = options.known.get(showTable(table))
      if (oid !== undefined) this.#oids.set(quoteTable(table), String(oid))
    }
  }

  /** Aborted with a FICUS_SOURCE_CHANGED, with the misfit's error, or with ReadAnew. */
  get failed(): AbortSignal {
    return this.#failed.signal
  }

  start(): void {
    this.#timer = setTimeout(() => void this.#look(), 0)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await endSession(this.#client)
  }

  async #look(): Promise<void> {
    try {
      this.#client ??= await openSession(this.#options.source)
      const problem =
        problemOf(await this.#read(this.#client), this.#options) ??
        this.#misfitError() ??
        (await this.#findUnseen(this.#client))
      if (problem !== null) this.#failed.abort(problem)
    } catch {
      // A source that is away is found to be so by whoever reads changes.
      await endSession(this.#client)
      this.#client = undefined
    }
    // It may have been opened while `stop` found none to end.
    if (this.#stopped) await endSession(this.#client)
    else this.#timer = setTimeout(() => void this.#look(), this.#options.intervalMs)
  }

  #misfitError(): FicusError | null {
    const { misfit, reached } = this.#options
    return misfit !== null && reached() >= misfit.at ? misfit.error : null
  }

  /**
   * No change tells that ALTER TABLE gave rows other values, or that a partition came or went. They are read anew once the stream
   * has passed that: it may have to bring older values of some rows yet, and nothing would set these right.
   */
  async #findUnseen(client: Client): Promise<ReadAnew | null> {
    const { readable, reached } = this.#options
    if (readable.length === 0) return null
    const live = await readStorage(
      client,
      readable.map(({ flow }) => flow.from),
    )
    const changed = readable.flatMap(({ flow, storage: before, sweepable }) => {
      const table = live.get(quoteTable(flow.from))
      const storage = table === undefined ? before : flowStorage(flow, table)
      const { rows, gone } = changedUnseen(flow, before, storage)
      const anew = { rows, gone: gone && sweepable }
      return anew.rows || anew.gone ? [{ flow, storage, anew }] : []
    })
    if (changed.length === 0) return null
    const end = lsnToNumber(await readLogEnd(client))
    const passed = changed.filter(({ flow, storage }) => {
      const seen = JSON.stringify(storage)
      const before = this.#found.get(filledBy(flow))
      const at = before?.seen === seen ? before.at : end
      this.#found.set(filledBy(flow), { seen, at })
      return reached() >= at
    })
    return passed.length === 0 ? null : new ReadAnew(passed, 'was rewritten by ALTER TABLE, or has other partitions')
  }

  async #read(client: Client): Promise<WatchedTable[]> {
    const names = this.#options.tables.map(quoteTable)
    const { rows } = await client.query<{
      name: string
      oid: string | null
      now: string | null
      published: boolean
      children: boolean
    }>(
      `SELECT t.name, to_regclass(t.name)::oid::text AS oid,
              (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.oid = t.first) AS now,
              EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
                      WHERE p.pubname = $3 AND r.prrelid = to_regclass(t.name)::oid) AS published,
              EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
                      WHERE i.inhparent = to_regclass(t.name)::oid AND c.relkind = 'r') AS children
       FROM unnest($1::text[], $2::oid[]) AS t (name, first)`,
      [names, names.map(name => this.#oids.get(name) ?? null), this.#options.publication],
    )
    for (const { name, oid } of rows) if (oid !== null && !this.#oids.has(name)) this.#oids.set(name, oid)
    return rows.map((row, index) => {
      const table = this.#options.tables[index]
      const swapped = row.oid !== null && row.oid !== this.#oids.get(row.name)
      return { ...row, name: table === undefined ? row.name : showTable(table), oid: swapped ? null : row.oid }
    })
  }
}

const RENAMED = 'Put the new name into the capability’s sync file and start sync again; it resumes where it stopped.'
const RENAMED_FOR_DEBEZIUM =
  'Debezium leaves out what happens to a table under another name, so its old name does not bring that back. Put the new name into the capability’s sync file, roll the capability back to legacy and start again, which copies anew.'

function problemOf(
  tables: readonly WatchedTable[],
  { source, publication, engine }: SourceWatchOptions,
): FicusError | null {
  for (const { name, oid, now, published, children } of tables) {
    if (oid === null && now !== null) {
      return new FicusError('FICUS_SOURCE_CHANGED', `${name} of ${source.name} is called ${now} now`, {
        remedy: engine === 'debezium' ? RENAMED_FOR_DEBEZIUM : RENAMED,
      })
    }
    if (oid === null) {
      return new FicusError('FICUS_SOURCE_CHANGED', `${name} of ${source.name} was dropped`, {
        remedy: 'Roll the capability back to legacy and take the table out of its sync file.',
      })
    }
    if (children) {
      return new FicusError('FICUS_SOURCE_CHANGED', `${name} has child tables now, whose rows are not carried`, {
        remedy: 'Make it a partitioned table, or end the inheritance (ALTER TABLE … NO INHERIT).',
      })
    }
    if (!published) {
      return new FicusError(
        'FICUS_SOURCE_CHANGED',
        `${name} was taken out of publication ${publication} of ${source.name}: its changes since then never come`,
        { remedy: 'Roll the capability back to legacy and start again, which copies anew.' },
      )
    }
  }
  return null
}
