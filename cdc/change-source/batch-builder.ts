import type { TableName } from '@ficus/core/sql/identifier'
import type { Change, ChangeBatch, CommitEnd, Lacking, Relation } from './change-source.ts'
import type { Position } from './position.ts'

const INITIAL_BYTES = 64 * 1024
/** How far a batch may grow past its limit, by the rest of what the socket brought, and keep its buffer. */
const SLACK_BYTES = 256 * 1024
/** One is filled while two are applied. */
const MAX_SPARE = 3

/**
 * Gathers changes into batches that end at a commit. Bytes are copied in: a driver may use its receive buffer again.
 * What follows the last commit stays behind when a batch is taken, unless the batch is full before any commit came.
 */
export class BatchBuilder {
  readonly #maxRows: number
  readonly #maxBytes: number
  #data: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  /** Buffers of batches that were applied. */
  readonly #spare: Buffer[] = []
  #used = 0
  #changes: Change[] = []
  /** How much of the above belongs to transactions that have committed. */
  #committed = { changes: 0, bytes: 0 }
  #position: Position | null = null
  #firstCommit: number | null = null
  #lastCommit: number | null = null
  /** Ids of the transactions gathered; the last one may be open. */
  #transactions: number[] = []
  #commits: CommitEnd[] = []
  /** Where the commit of the transaction that began last begins. */
  #finalLsn: bigint | undefined
  /** Changes that do not come, of transactions that have committed; and their tables, of the one that is open. */
  #lacking: Lacking[] = []
  #lackingOpen: TableName[] = []
  /** Whole batches that wait for being taken, because what follows them must not share theirs. */
  readonly #sealed: ChangeBatch[] = []

  constructor(maxRows: number, maxBytes: number) {
    this.#maxRows = maxRows
    this.#maxBytes = maxBytes
  }

  /** Rows gathered so far. */
  get rows(): number {
    return this.#sealed.reduce((sum, batch) => sum + batch.changes.length, this.#changes.length)
  }

  /** Commit time of the first transaction gathered, ms since 1970. */
  get firstCommit(): number | null {
    return this.#sealed[0]?.firstCommit ?? this.#firstCommit
  }

  /** Whether gathering should pause until a batch is taken. */
  get full(): boolean {
    return this.#changes.length >= this.#maxRows || this.#used >= this.#maxBytes || this.#sealed.length > 0
  }

  /** Whether `take` has something to give: a commit, or more than memory should hold. */
  get ready(): boolean {
    return this.#position !== null || this.full
  }

  /** Begins a transaction. @param id the source's, 32 bits. @param finalLsn where its commit begins. */
  begin(id: number, finalLsn?: bigint): void {
    this.#finalLsn = finalLsn
    this.#transactions.push(id)
  }

  /** Adds a change whose tuples are in `bytes` at these offsets, -1 for none; the last of them ends at `end`. */
  add(
    kind: Change['kind'],
    relation: Relation,
    bytes: Buffer | null,
    oldTuple: number,
    newTuple: number,
    end = bytes?.length ?? 0,
  ): void {
    const start = oldTuple < 0 ? newTuple : oldTuple
    const base = this.#used - start
    if (bytes !== null && start >= 0) this.#append(bytes, start, end)
    this.#changes.push({
      kind,
      relation,
      oldTuple: oldTuple < 0 ? -1 : base + oldTuple,
      newTuple: newTuple < 0 ? -1 : base + newTuple,
    })
  }

  /** Ends a transaction. @param time when the source committed it, ms since 1970. */
  commit(position: Position, time: number): void {
    this.#committed = { changes: this.#changes.length, bytes: this.#used }
    this.#position = position
    this.#commits.push({ lsn: position.lsn, changes: this.#changes.length })
    this.#firstCommit ??= time
    this.#lastCommit = time
    if (this.#lackingOpen.length === 0) return
    this.#lacking.push(...this.#lackingOpen.map(table => ({ table, lsn: position.lsn })))
    this.#lackingOpen = []
  }

  /** Notes that a change of this table, of the open transaction, does not come. */
  lacks(table: TableName): void {
    this.#lackingOpen.push(table)
  }

  /** Forgets the changes since the last commit. */
  discardOpen(): void {
    this.#changes.length = this.#committed.changes
    this.#used = this.#committed.bytes
    this.#lackingOpen = []
  }

  /** Ends the batch at the last commit: what comes next is of another shape and gets a batch of its own. */
  seal(): void {
    if (this.#position !== null) this.#sealed.push(this.#cut())
  }

  /** Hands out what is committed; or, if nothing is, the part of the open transaction that filled the batch. */
  take(): ChangeBatch {
    return this.#sealed.shift() ?? this.#cut()
  }

  #cut(): ChangeBatch {
    const whole = this.#position !== null
    const count = whole ? this.#committed.changes : this.#changes.length
    const bytes = whole ? this.#committed.bytes : this.#used
    // Of a transaction that goes on it is said once more when it ends.
    const lacking = whole ? this.#lacking : this.#lackingOpen.map(table => ({ table, lsn: null }))
    const batch: ChangeBatch = {
      data: this.#data.subarray(0, bytes),
      changes: count === this.#changes.length ? this.#changes : this.#changes.slice(0, count),
      position: this.#position,
      firstCommit: this.#firstCommit,
      lastCommit: this.#lastCommit,
      transactions: this.#transactions,
      commits: this.#commits,
      ...(whole || this.#finalLsn === undefined ? {} : { open: this.#finalLsn }),
      ...(lacking.length === 0 ? {} : { lacking }),
    }
    this.#lacking = []
    this.#startAfter(count, bytes)
    return batch
  }

  #startAfter(count: number, bytes: number): void {
    const shift = (offset: number) => (offset < 0 ? -1 : offset - bytes)
    const rest = this.#changes
      .slice(count)
      .map(change => ({ ...change, oldTuple: shift(change.oldTuple), newTuple: shift(change.newTuple) }))
    const tail = this.#data.subarray(bytes, this.#used)
    this.#data = this.#emptyBuffer(tail.length, bytes)
    this.#used = tail.copy(this.#data)
    this.#changes = rest
    this.#committed = { changes: 0, bytes: 0 }
    this.#position = null
    this.#commits = []
    this.#firstCommit = null
    this.#lastCommit = null
    // An open transaction goes on in the next batch; one that has ended does no harm there.
    this.#transactions = this.#transactions.slice(-1)
  }

  /**
   * Lets the batch's bytes be used again. New buffers of some megabytes each would pile up until the garbage collector
   * looks for them.
   */
  giveBack({ data }: Pick<ChangeBatch, 'data'>): void {
    const whole = Buffer.from(data.buffer)
    if (whole.length <= this.#maxBytes + SLACK_BYTES && this.#spare.length < MAX_SPARE) this.#spare.push(whole)
  }

  /** @param last how much the last batch took: growing up to that again would copy all of it several times. */
  #emptyBuffer(needed: number, last: number): Buffer {
    const spare = this.#spare.pop()
    if (spare !== undefined && spare.length >= needed) return spare
    return Buffer.allocUnsafeSlow(Math.max(INITIAL_BYTES, needed * 2, Math.min(last, this.#maxBytes + SLACK_BYTES)))
  }

  #append(bytes: Buffer, start: number, end: number): void {
    const needed = this.#used + end - start
    if (needed > this.#data.length) {
      const doubled = Math.min(this.#data.length * 2, this.#maxBytes + SLACK_BYTES)
      const larger = Buffer.allocUnsafeSlow(needed > doubled ? needed * 2 : doubled)
      this.#data.copy(larger, 0, 0, this.#used)
      this.#data = larger
    }
    bytes.copy(this.#data, this.#used, start, end)
    this.#used = needed
  }
}
