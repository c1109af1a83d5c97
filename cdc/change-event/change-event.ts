/** A row as an event shows it: column -> its value as text. */
export type EventRow = Readonly<Record<string, string | null>>

/**
 * A change in Debezium's envelope (its documentation, "PostgreSQL connector: change events"), with every value as text.
 * It is a view for people and for parked changes, made when somebody asks; rows on their way are never turned into it.
 */
export interface ChangeEvent {
  /** Create, update, delete, truncate. */
  readonly op: 'c' | 'u' | 'd' | 't'
  /** As much of the old row as the source told: its identity columns at least, where it told any. */
  readonly before: EventRow | null
  readonly after: EventRow | null
  readonly source: {
    readonly connector: 'postgresql'
    readonly schema: string
    readonly table: string
  }
}

/**
 * Stands for a value that was not sent: a TOASTed one that the change did not touch, or one that the engine cannot carry
 * and that is read back from the source. Debezium's own placeholder.
 */
export const UNAVAILABLE_VALUE = '__debezium_unavailable_value'
