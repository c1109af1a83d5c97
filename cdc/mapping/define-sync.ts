import type { RowFunction } from './row-function.ts'

/**
 * How one source table becomes one target table. Every expression is SQL over one row; it runs in the databases: on
 * the source in the first copy and the diff, on the target in the merge. So it may use columns of its own row, built-in
 * functions and casts, and must give the same answer wherever and whenever it runs. A mapping with `reads` may look into
 * other tables of the source too, one with `each` makes several rows of one; where SQL is not enough, a function in Node
 * makes the row.
 *
 * A source table may appear in several mappings (a split); a target table in one.
 */
export interface TableMapping {
  /** `schema.table` of the monolith; quote a part that has capitals: `public."Order Items"`. */
  readonly source: string
  /** `schema.table` of the service. */
  readonly target: string
  /** Source key column -> target key column. Both sides must be unique by it. */
  readonly key: Readonly<Record<string, string | ComputedKey>>
  /** A condition over source columns. A row that stops matching is deleted on the target. */
  readonly where?: string
  /**
   * Other tables of the source that `forward` and `where` look into (a document with its lines, a name for a code):
   * `schema.table` -> its columns -> the columns of `source` that they equal. A change of such a row changes the target
   * rows of all source rows that it belongs to. Expressions name the table by its bare name, in a subquery:
   *
   *     reads: { 'public.order_lines': { order_id: 'id' } },
   *     forward: { lines: `(SELECT jsonb_agg(l.sku ORDER BY l.line_no) FROM order_lines l WHERE l.order_id = orders.id)` },
   *
   * and take from it no other rows than these. Where a row can belong in several ways, they are a list:
   * `{ 'public.addresses': [{ id: 'ship_to' }, { id: 'bill_to' }] }`. `source` and the tables read are kept in the target
   * database as a mirror.
   */
  readonly reads?: Readonly<Record<string, ReadMatch | readonly ReadMatch[]>>
  /**
   * One source row becomes several target rows, or none: an array or a document that turns into a table of its own. `forward`
   * and `each.key` see the source row and one of `rows`; name columns with their table or alias:
   *
   *     key: { id: 'product_id' },
   *     each: { rows: `unnest(products.tags) WITH ORDINALITY AS tag(name, position)`, key: { position: 'tag.position' } },
   *     forward: { name: 'tag.name' },
   *
   * `key` then tells which target rows are a source row's, and the target is unique by it and `each.key` together. Where the
   * source row changes, these rows become what `rows` gives. Such a mapping has no `reverse`: see `back`.
   */
  readonly each?: EachRow
  /**
   * Target column -> expression over one source row. Target columns not named here belong to the service alone.
   *
   * Or a function in Node of the whole source row, which fills the target columns that `columns.forward` lists:
   *
   *     columns: { forward: ['title', 'cents'] },
   *     forward: row => ({ title: slugify(row.name), cents: BigInt(row.cents ?? 0) }),
   *
   * It is slower than SQL, since every row passes through Node. See `RowFunction` for what it gets and may give.
   */
  readonly forward: Readonly<Record<string, string>> | RowFunction
  /** Source column -> expression over one target row alone, for the time when the service owns the data; or a function. */
  readonly reverse?: Readonly<Record<string, string>> | RowFunction
  /** The columns that functions fill: `forward` those of the target, `reverse` those of the source. Without the key's. */
  readonly columns?: { readonly forward?: readonly string[]; readonly reverse?: readonly string[] }
}

/**
 * A target key column that does not hold the source's value but one computed from it, each way from key columns alone:
 * `id: { to: 'sku', forward: "'P' || id", reverse: 'substr(sku, 2)::int' }`. No two keys may become the same.
 */
export interface ComputedKey {
  readonly to: string
  /** SQL over the source's key columns. */
  readonly forward: string
  /** SQL over the target's key columns; needed where the mapping has a `reverse`. */
  readonly reverse?: string
}

/** What one source row becomes. */
export interface EachRow {
  /** What stands behind FROM, evaluated for each source row, with an alias: `unnest(…) AS …`, `jsonb_to_recordset(…) AS …`. */
  readonly rows: string
  /** Target key column -> expression, beside the columns of the mapping's `key`: no two of a source row's rows have the same. */
  readonly key: Readonly<Record<string, string>>
}

/**
 * A mapping from a service's table (`source`) to one of the monolith (`target`), in reverse alone: the way back where rows
 * do not go one to one. A document becomes rows again by `each`, rows become a document again by `reads`. A table of the monolith has
 * one such entry, or mappings with `reverse`.
 */
export type BackMapping = Omit<TableMapping, 'reverse' | 'columns'> & {
  /**
   * A condition over a row of the monolith's table, where the service has not all of them: the others are not compared, and
   * a TRUNCATE leaves them. It may look into other tables of the monolith, under their full names. `reverse` needs none:
   * there it is the mapping's `where`.
   */
  readonly within?: string
  readonly columns?: { readonly forward?: readonly string[] }
}

/** Column of a table read -> column of `source` that holds the same; all of them. */
export type ReadMatch = Readonly<Record<string, string>>

/** What a capability's `sync.ts` exports. */
export interface SyncInput {
  readonly tables: readonly TableMapping[]
  readonly back?: readonly BackMapping[]
}

/** Types a `sync.ts`. It returns what it got: the file is checked where it is loaded. */
export function defineSync(sync: SyncInput): SyncInput {
  return sync
}
