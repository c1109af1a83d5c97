import { isDeepStrictEqual } from 'node:util'
import type { DebeziumEvent, Placed } from './event.ts'

/** An event that belongs to a place in a transaction. */
export type PlacedEvent = Extract<DebeziumEvent, Placed>

/**
 * What was taken of one transaction, told by its places in the source's log, where its events stand in order. Numbers do
 * not tell it: a restarted connector may count anew, behind what it wrote or from the start (transaction-assembler.ts).
 * Rows of one COPY share a place, and so do the tables of one TRUNCATE and the halves of a changed key: those differ in
 * what they hold.
 */
export class TakenEvents {
  #count = 0
  #last = -1n
  /** All that stand at the last place. */
  readonly #atLast: PlacedEvent[] = []

  /** How many there are. */
  get count(): number {
    return this.#count
  }

  /** Where the last of them stands; before every place where there is none. */
  get last(): bigint {
    return this.#last
  }

  /** The last of them, where it stands at its place alone. */
  get alone(): PlacedEvent | null {
    const [first, second] = this.#atLast
    return second === undefined ? (first ?? null) : null
  }

  has(event: PlacedEvent): boolean {
    if (event.lsn !== this.#last) return event.lsn < this.#last
    return this.#atLast.some(taken => isDeepStrictEqual(contentsOf(taken), contentsOf(event)))
  }

  take(event: PlacedEvent): void {
    this.#count += 1
    if (event.lsn !== this.#last) this.#atLast.length = 0
    this.#last = event.lsn
    this.#atLast.push(event)
  }
}

/** What stays the same when an event is written again. */
function contentsOf({ order, previousCommit, producer, ...contents }: PlacedEvent): unknown {
  return contents
}
