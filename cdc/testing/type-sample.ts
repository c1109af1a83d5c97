/** How values of a type travel through the engine `debezium`; docs/types.md explains. */
export type DebeziumForm = 'sent' | 'sent, but for some' | 'read back'

/** A column type with values that are easy to get wrong. */
export interface TypeSample {
  /** As in a column's definition. */
  readonly type: string
  /** As SQL. Each goes into a row of its own. */
  readonly values: readonly string[]
  /** How values travel through the engine `postgres`. One column of `text` brings its whole stream into text form. */
  readonly postgres: 'binary' | 'text'
  readonly debezium: DebeziumForm
  /** For `sent, but for some`: those that are read back, as text. */
  readonly but?: readonly string[]
  /** Two values, as SQL, that a key can have and change between. */
  readonly key?: readonly [string, string]
  /** A value, as SQL, that is stored apart from its row, so that a change of another column does not send it. */
  readonly large?: string
  /** The first PostgreSQL that has `values`. */
  readonly since?: number
}

/** A text, as SQL, that is too large to be stored in its row, compressed or not. */
export const MD5S = `(SELECT string_agg(md5(n::text), ' ') FROM generate_series(1, 200) n)`
