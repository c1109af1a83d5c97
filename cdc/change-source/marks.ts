/** Prefixes of the logical messages that Ficus writes into a source's log (`pg_logical_emit_message`). */
export const MARK = {
  /** Moves the position while nothing else happens, so that lag can be told and WAL released. */
  HEARTBEAT: 'ficus.heartbeat',
  /** Somebody waits until the target has passed this point. */
  WAYPOINT: 'ficus.waypoint',
  /**
   * First in a transaction that sync applied; the content is the replication origin's name. It stands in for the origin
   * where the user may not set one.
   */
  ORIGIN: 'ficus.origin',
} as const
