import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { showTable } from '@ficus/core/sql/identifier'
import pg, { type Client } from 'pg'
import type { Change, ChangeBatch } from '../change-source/change-source.ts'
import { withoutValues } from '../database/without-values.ts'
import { BlockedKeys } from './blocked-keys.ts'
import { describeChange } from './describe-change.ts'
import {
  closeParked,
  countParked,
  insertParked,
  moveToEnd,
  type Refusal,
  readBlockages,
  tellBlockages,
} from './parked.ts'
import type { ProgressKey } from './progress.ts'
import { changeRefused } from './refusal.ts'
import type { Staging } from './staging.ts'

export interface ParkingOptions {
  /** The session of the batch: what is parked commits with the rows and the position. */
  readonly client: Client
  readonly key: ProgressKey
  /** Beyond this many parked changes it is not one bad row, and sync stops. */
  readonly maxParked: number
  readonly stagingsOf: (change: Change) => readonly Staging[]
  /** Whether a new row of a source table may be there already, since it was read beside the stream. */
  readonly mayBeThere: (table: string) => boolean
}

/** A parked change of the batch under way. */
interface ParkedOfBatch {
  readonly id: number
  /** Where it stands in the batch. */
  readonly index: number
  /** What it blocks, each key with its table. */
  readonly keys: readonly string[]
}

/**
 * Keeps what the target refuses, so that all else can go on (invariant 11): a refused change is parked and blocks its
 * keys; whatever comes later for one of these is parked behind it, untried and in order.
 */
export class Parking {
  readonly #options: ParkingOptions
  readonly #blocked = new BlockedKeys()
  #version = -1
  /** The transaction has told other sessions that it changed what is blocked. */
  #told = false
  #count = 0
  /** The changes of the batch under way, and those of them that are parked. */
  #batch: readonly Change[] = []
  #ofBatch: readonly ParkedOfBatch[] = []

  constructor(options: ParkingOptions) {
    this.#options = options
  }

  /** How many changes are parked. */
  get count(): number {
    return this.#count
  }

  /** Whether any key is blocked. */
  get active(): boolean {
    return !this.#blocked.none
  }

  /** At the start of a transaction, with the row lock. @param version `parked_version` as the row has it. */
  async begin(version: number): Promise<void> {
    this.#batch = []
    this.#told = false
    if (version === this.#version) return
    const parked = await readBlockages(this.#options.client, this.#options.key)
    this.#blocked.reset(parked.map(({ table, blocks }) => ({ table, keys: blocks })))
    this.#count = parked.length
    this.#version = version
  }

  /** After a transaction that was rolled back: what it parked is to be read anew. */
  forget(): void {
    this.#version = -1
  }

  /**
   * Parks the changes that are behind others of their key. @returns those that may go on, in order.
   *
   * A TRUNCATE supersedes what is parked of its table: the rows that those changes were about are gone from the source.
   */
  async setAside(batch: ChangeBatch, changes: readonly Change[]): Promise<readonly Change[]> {
    const flowing: Change[] = []
    for (const change of changes) {
      await this.#learn(change)
      if (change.kind === 'truncate') await this.#supersede(showTable(change.relation.table))
      else if (this.#blocked.blocks(batch.data, change)) {
        await this.#park(batch, change, null)
        continue
      }
      flowing.push(change)
    }
    return flowing
  }

  /**
   * Parks a change that the target refuses.
   * @throws FICUS_CHANGE_REFUSED where that is no case for parking.
   */
  async park(batch: ChangeBatch, change: Change, cause: unknown): Promise<void> {
    await this.#learn(change)
    await this.#park(batch, change, cause)
  }

  async #park(batch: ChangeBatch, change: Change, cause: unknown): Promise<void> {
    const { client, key, maxParked, stagingsOf, mayBeThere } = this.#options
    const described = await describeChange(client, change, batch.data, stagingsOf(change))
    const reason = cause ?? new Error('an earlier change of its key is parked')
    if (cause !== null && !concernsOneRow(change, cause)) throw changeRefused(described, reason)
    if (this.#count >= maxParked) throw changeRefused(described, reason, tooMany(key, maxParked))
    // What is tried again later is tried when nobody expects the row any more.
    const kept: Change =
      change.kind === 'insert' && mayBeThere(described.table) ? { ...change, kind: 'update' } : change
    const id = await insertParked(client, key, batch, kept, described, cause === null ? null : refusalOf(cause))
    this.#blocked.add(batch.data, change, described.keys)
    await this.#tell()
    this.#count += 1
    const keys = described.keys.map(text => `${described.table} ${text}`)
    await this.#keepOrder(batch, { id, index: batch.changes.indexOf(change), keys })
  }

  /**
   * Sees to it that what is tied together has its ids in the order of the stream, in which it will be tried again. Changes
   * are set aside before those between them are tried; when one of these is refused, the ones that came later and are tied
   * to it go behind it.
   */
  async #keepOrder({ changes }: ChangeBatch, parked: ParkedOfBatch): Promise<void> {
    if (changes !== this.#batch) this.#ofBatch = []
    this.#batch = changes
    const tied = new Set(parked.keys)
    const behind = this.#ofBatch
      .filter(({ index }) => index > parked.index)
      .toSorted((a, b) => a.index - b.index)
      .filter(({ keys }) => {
        if (!keys.some(key => tied.has(key))) return false
        for (const key of keys) tied.add(key)
        return true
      })
    const ids = await moveToEnd(
      this.#options.client,
      behind.map(({ id }) => id),
    )
    const moved = behind.map((change, index) => ({ ...change, id: ids[index] ?? change.id }))
    this.#ofBatch = [...this.#ofBatch.filter(change => !behind.includes(change)), parked, ...moved]
  }

  /** Once in a transaction, outside of its savepoints: what is rolled back to one of these changes nothing here. */
  async #tell(): Promise<void> {
    if (this.#told) return
    await tellBlockages(this.#options.client, this.#options.key)
    this.#told = true
  }

  async #learn(change: Change): Promise<void> {
    const keys = this.#options.stagingsOf(change).map(({ keyIndexes }) => keyIndexes)
    await this.#blocked.learn(this.#options.client, change.relation, keys)
  }

  async #supersede(table: string): Promise<void> {
    if (!this.#blocked.blocksTable(table)) return
    const { client, key } = this.#options
    await closeParked(client, key, `source_table = ${pg.escapeLiteral(table)}`, {
      outcome: 'superseded',
      by: 'sync',
      reason: `${table} was truncated`,
    })
    this.#blocked.freeTable(table)
    await this.#tell()
    this.#count = await countParked(client, key)
  }
}

/** A TRUNCATE is about all rows; and class 42 says that the statement is wrong, whatever the row. */
function concernsOneRow(change: Change, cause: unknown): boolean {
  return change.kind !== 'truncate' && systemCodeOf(cause)?.startsWith('42') !== true
}

function refusalOf(cause: unknown): Refusal {
  // A function of the mapping has no SQLSTATE, but a code of ours.
  const sqlState = cause instanceof FicusError ? null : (systemCodeOf(cause) ?? null)
  return { reason: messageOf(cause), plainReason: withoutValues(cause), sqlState }
}

function tooMany({ capability }: ProgressKey, maxParked: number): { message: string; remedy: string } {
  return {
    message: `${maxParked} ${maxParked === 1 ? 'change is' : 'changes are'} parked already, as many as cdc.maxParked allows`,
    remedy:
      `This many are seldom single bad rows: look at \`ficus parked ${capability}\`, mend the mapping or the target, and run ` +
      `\`ficus parked ${capability} retry --all\`; or raise cdc.maxParked. Sync then goes on where it stopped.`,
  }
}
