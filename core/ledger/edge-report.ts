import type pg from 'pg'
import type { EdgeReport } from './records.ts'

/**
 * Marks an edge alive and adds its counts, within the caller's transaction. Each count lands in the minute in which it
 * was made, by the ledger's clock, however late it comes: an edge that was cut off for a while brings no evidence into
 * the minutes since (invariant 9). What time the report spends on its way moves a count back, never forward.
 * @param madeAt when the report was made, by `performance.now()`.
 */
export async function writeEdgeReport(client: pg.ClientBase, report: EdgeReport, madeAt: number): Promise<void> {
  const { rows } = await client.query<{ now: Date }>(
    `INSERT INTO ficus.edge (id, epochs, flags) VALUES ($1, $2, $3)
     ON CONFLICT (id) DO UPDATE SET epochs = excluded.epochs, flags = excluded.flags, seen_at = clock_timestamp()
     RETURNING clock_timestamp() AS now`,
    [report.edge, JSON.stringify(report.epochs), JSON.stringify(report.flags)],
  )
  const ledgerTime = rows[0]?.now.getTime() ?? 0
  const elapsed = performance.now() - madeAt
  for (const { age, traffic, shadow } of report.minutes) {
    const countedAt = new Date(ledgerTime - elapsed - age)
    await client.query(
      `INSERT INTO ficus.traffic AS t (capability, edge, minute, side, requests, errors)
       SELECT capability, $1, date_trunc('minute', $2::timestamptz), side, requests, errors
       FROM jsonb_to_recordset($3) AS r (capability text, side text, requests bigint, errors bigint)
       ON CONFLICT (capability, minute, edge, side) DO UPDATE
         SET requests = t.requests + excluded.requests, errors = t.errors + excluded.errors`,
      [report.edge, countedAt, JSON.stringify(traffic)],
    )
    await client.query(
      `INSERT INTO ficus.shadow AS s (capability, epoch, edge, minute, route, matched, mismatched, ignored, example)
       SELECT capability, epoch, $1, date_trunc('minute', $2::timestamptz), route,
              matched, mismatched, ignored, example
       FROM jsonb_to_recordset($3) AS r (
         capability text, epoch bigint, route text, matched bigint, mismatched bigint, ignored bigint, example jsonb
       )
       ON CONFLICT (capability, epoch, minute, edge, route) DO UPDATE
         SET matched = s.matched + excluded.matched, mismatched = s.mismatched + excluded.mismatched,
             ignored = s.ignored + excluded.ignored, example = coalesce(excluded.example, s.example)`,
      [report.edge, countedAt, JSON.stringify(shadow)],
    )
  }
}
