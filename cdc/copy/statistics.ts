import { quoteTable, type TableName } from '@ficus/core/sql/identifier'
import { type Endpoint, endSession, openSession } from '../database/session.ts'

/**
 * Begins to gather the planner's statistics of tables that a copy has filled, in a session of its own. Until they are there
 * the service's queries are planned for a table of which nothing is known, and the stream need not wait for that.
 *
 * Disposing it breaks it off. What is left then, or what the server refuses, autovacuum sees to within a minute or so.
 */
export function gatherStatistics(target: Endpoint, tables: readonly TableName[]): AsyncDisposable {
  const stop = new AbortController()
  const gathered = analyze(target, tables, stop.signal).catch(() => {})
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await gathered
    },
  }
}

async function analyze(target: Endpoint, tables: readonly TableName[], signal: AbortSignal): Promise<void> {
  const client = await openSession(target)
  const breakOff = () => void endSession(client)
  signal.addEventListener('abort', breakOff)
  try {
    for (const table of tables) {
      signal.throwIfAborted()
      await client.query(`ANALYZE ${quoteTable(table)}`)
    }
  } finally {
    signal.removeEventListener('abort', breakOff)
    await endSession(client)
  }
}
