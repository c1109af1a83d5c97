/** After so many rows or bytes a table is truncated. */
const LIMIT = { rows: 5_000, bytes: 8 * 1024 * 1024 } as const

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
}
