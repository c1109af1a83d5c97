/** After so many rows a table is truncated. */
const TRUNCATED_ROWS = 20_000

/**
 * Empties a temporary table before it is filled. `ON COMMIT DELETE ROWS` would do so by cutting its file with every commit,
 * which under load can wait most of a second for the file system (wait event DataFileTruncate), and everybody with it.
 * Deleting few rows costs next to nothing, but leaves their room taken: now and then the table is truncated.
 */
export class StagingRoom {
  readonly #table: string
  /** Rows since the table was truncated last. */
  #written = 0

  /** @param table quoted. */
  constructor(table: string) {
    this.#table = table
  }

  /** The statement that goes before as many new rows. */
  emptying(rows: number): string {
    this.#written += rows
    if (this.#written < TRUNCATED_ROWS) return `DELETE FROM ${this.#table}`
    this.#written = rows
    return `TRUNCATE ${this.#table}`
  }
}
