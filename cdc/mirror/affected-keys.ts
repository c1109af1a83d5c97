import { quoteIdentifier } from '@ficus/core/sql/identifier'

/** From so many bytes on a table is analyzed as it is, and truncated before it is filled again: 1,800 keys of one bigint. */
const LARGE_BYTES = 64 * 1024

/**
 * A temporary table of keys, and what the planner knows of it. Nothing analyzes temporary tables by itself, and of one
 * that never was the planner expects some 2,000 rows: for a single key it would read whole mirrors and join by hash. So the
 * table has statistics of a single row, and where there are many keys those of its own, or each would be looked up alone.
 *
 * It is emptied by DELETE, and truncated once it is large; see `StagingRoom` for why not by `ON COMMIT DELETE ROWS`.
 */
export class AffectedKeys {
  /** Quoted. */
  readonly table: string
  readonly #name: string
  /** Statements that have the planner expect a row for each page. TRUNCATE forgets it. */
  readonly #expectFew: string

  constructor(name: string) {
    this.#name = quoteIdentifier(name)
    this.table = `pg_temp.${this.#name}`
    this.#expectFew = `INSERT INTO ${this.table} DEFAULT VALUES; ANALYZE ${this.table}; DELETE FROM ${this.table}`
  }

  /** @param columns with their types. */
  creating(columns: readonly string[]): string {
    return `CREATE TEMPORARY TABLE ${this.#name} (${columns.join(', ')}); ${this.#expectFew}`
  }

  /** The statement that goes before the first keys. */
  get emptying(): string {
    return `DO $$ BEGIN IF ${this.#isLarge} THEN TRUNCATE ${this.table}; ${this.#expectFew}; ELSE DELETE FROM ${this.table}; END IF; END $$`
  }

  /** The statement that goes behind the last keys, before they are read. */
  get filled(): string {
    return `DO $$ BEGIN IF ${this.#isLarge} THEN ANALYZE ${this.table}; END IF; END $$`
  }

  get #isLarge(): string {
    return `pg_relation_size('${this.table}') >= ${LARGE_BYTES}`
  }
}
