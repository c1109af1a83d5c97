/**
 * How one source table becomes one target table. Every expression is SQL over one row; it runs in the databases: on
 * the source in the first copy and the diff, on the target in the merge. So it may use columns of its own row, built-in
 * functions and casts, and must give the same answer wherever and whenever it runs.
 *
 * A source table may appear in several mappings (a split); a target table in one.
 */
export interface TableMapping {
  /** `schema.table` of the monolith; quote a part that has capitals: `public."Order Items"`. */
  readonly source: string
  /** `schema.table` of the service. */
  readonly target: string
  /** Source key column -> target key column. Both sides must be unique by it. */
  readonly key: Readonly<Record<string, string>>
  /** A condition over source columns. A row that stops matching is deleted on the target. */
  readonly where?: string
  /** Target column -> expression over one source row. Target columns not named here belong to the service alone. */
  readonly forward: Readonly<Record<string, string>>
  /** Source column -> expression over one target row, for the time when the service owns the data. */
  readonly reverse?: Readonly<Record<string, string>>
}

/** What a capability's `sync.ts` exports. */
export interface SyncInput {
  readonly tables: readonly TableMapping[]
}

/** Types a `sync.ts`. It returns what it got: the file is checked where it is loaded. */
export function defineSync(sync: SyncInput): SyncInput {
  return sync
}
