const MB = 1024 * 1024
/** After so many rows or bytes a table is truncated before it is filled. */
const LIMIT = { rows: 5_000, bytes: 8 * MB } as const
/** More than batches of ordinary rows leave in a table: it is truncated as soon as they are merged. */
const LARGE_BYTES = 2 * LIMIT.bytes

/**
 * Empties a temporary table before it is filled. `ON COMMIT DELETE ROWS` would do so by cutting its file with every commit,
 * which under load can wait most of a second for the file system (wait event DataFileTruncate), and everybody with it.
 * Deleting few rows costs next to nothing, but leaves their room taken: now and then the table is truncated.
 */
export class StagingRoom {
  readonly #table: string
  /** Since the table was truncated last. */
  #rows = 0
  #bytes = 0

  /** @param table quoted. */
  constructor(table: string) {
    this.#table = table
  }

  /** The statement that goes before as many new rows, which have no more than `bytes`. */
  emptying(rows: number, bytes: number): string {
    const truncated = this.#rows >= LIMIT.rows || this.#bytes >= LIMIT.bytes
    this.#rows = rows + (truncated ? 0 : this.#rows)
    this.#bytes = bytes + (truncated ? 0 : this.#bytes)
    return `${truncated ? 'TRUNCATE' : 'DELETE FROM'} ${this.#table}`
  }

  /** So many bytes more were written to rows that are there. */
  grow(bytes: number): void {
    this.#bytes += bytes
  }

  /** Whether there are large values, which should not keep their room until rows of this table come again. */
  get isLarge(): boolean {
    return this.#bytes > LARGE_BYTES
  }

  /** The statement that gives the room back once the rows are merged. */
  get truncating(): string {
    return `TRUNCATE ${this.#table}`
  }

  /** That was run. */
  truncated(): void {
    this.#rows = 0
    this.#bytes = 0
  }
}
