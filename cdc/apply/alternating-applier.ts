import type { ChangeBatch } from '../change-source/change-source.ts'
import { Applier, type ApplierOptions } from './applier.ts'

/**
 * What makes a batch worth a second session: fewer changes are staged in no time; and of small transactions the source
 * sends no more than one session applies, so that the other would only take processor time from it.
 */
const AHEAD = { changes: 2_000, changesOfTransaction: 10 } as const

/**
 * Applies batches in order, by two sessions in turn while there is a backlog: one stages a batch while the other merges
 * the one before. Each batch is a transaction of its own all the same, and begins to write when the one before is
 * committed. The second session is opened when it is needed first.
 */
export class AlternatingApplier {
  readonly #options: ApplierOptions
  /** Who has the batch that was handed in last. */
  #current: Applier
  /** Who takes over from it; opened when it is needed first. */
  #other: Applier | null = null
  #opening: Promise<void> | undefined
  #expected: ReadonlySet<string> = new Set()
  #parked = 0
  /** The batch that was handed in last, until it is committed. */
  #last: UnderWay | undefined

  private constructor(options: ApplierOptions, first: Applier) {
    this.#options = options
    this.#current = first
  }

  /** @param options whose progress has a position. */
  static async open(options: ApplierOptions): Promise<AlternatingApplier> {
    return new AlternatingApplier(options, await Applier.open(options))
  }

  /** Whether the next batch may be handed in while this one is under way. */
  static mayGoAhead({ changes, transactions }: ChangeBatch): boolean {
    return changes.length >= Math.max(AHEAD.changes, transactions.length * AHEAD.changesOfTransaction)
  }

  /**
   * Applies a batch; see `Applier.apply`. May be called again before this resolves, but not a third time: the batches
   * are applied in the order of the calls.
   */
  apply(batch: ChangeBatch): Promise<void> {
    const applied = this.#apply(batch, this.#last)
    const last = { batch, applied }
    this.#last = last
    // After a failure it stays, so that nothing is applied behind it.
    applied.then(
      () => {
        if (this.#last === last) this.#last = undefined
      },
      () => {},
    )
    return applied
  }

  /** How many changes are parked, as of the batch that was committed last. */
  get parked(): number {
    return this.#parked
  }

  /** Applies rows that were read beside the stream, while no batch is under way; see `Applier.applyBeside`. */
  async applyBeside(batch: ChangeBatch, note: string, mirrors: boolean): Promise<void> {
    await this.#current.applyBeside(batch, note, mirrors)
    this.#parked = this.#current.parked
  }

  /** See `Applier.expectRows`. */
  expectRows(tables: ReadonlySet<string>): void {
    this.#expected = tables
    this.#current.expectRows(tables)
    this.#other?.expectRows(tables)
  }

  async close(): Promise<void> {
    await this.#opening
    await Promise.all([this.#current.close(), this.#other?.close()])
  }

  async #apply(batch: ChangeBatch, before: UnderWay | undefined): Promise<void> {
    const busy = this.#current
    if (before === undefined) return this.#applyBy(busy, batch)
    // A transaction of the source that is larger than a batch is one transaction of the target too.
    const free = before.batch.position === null ? null : this.#free()
    if (free === null) {
      await before.applied
      return this.#applyBy(busy, batch)
    }
    this.#current = free
    this.#other = busy
    await free.stage(batch)
    await before.applied
    free.position = busy.position
    return this.#applyBy(free, batch)
  }

  async #applyBy(applier: Applier, batch: ChangeBatch): Promise<void> {
    await applier.apply(batch)
    this.#parked = applier.parked
  }

  /** Who may stage ahead; null while there is nobody yet, who is then asked for. */
  #free(): Applier | null {
    if (this.#other === null) this.#opening ??= this.#openOther()
    return this.#other
  }

  /** One session does as well: where the server has no room for another, it is asked again with a later batch. */
  async #openOther(): Promise<void> {
    try {
      const other = await Applier.open(this.#options)
      other.expectRows(this.#expected)
      this.#other = other
    } catch {
      this.#opening = undefined
    }
  }
}

/** A batch that is not committed yet. */
interface UnderWay {
  readonly batch: ChangeBatch
  readonly applied: Promise<void>
}
