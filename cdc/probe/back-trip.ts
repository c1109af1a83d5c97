import { quoteIdentifier, showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type ShapedFlow, shapeFlows } from '../copy/first-copy.ts'
import { judgeFailure } from '../database/failure.ts'
import { isComputed } from '../mapping/computed-rows.ts'
import { flowsOf, type Sync, targetKey, withEach } from '../mapping/flow.ts'
import { flowColumns } from '../mapping/flow-columns.ts'
import { filterCondition, mappedKey, mappedSelect, sourceSideType } from '../mapping/merge-sql.ts'
import { ownRows } from '../mapping/within.ts'
import { readsClause } from '../mirror/reads-sql.ts'
import { type ProbeFinding, problem, refusal, untriedBack } from './finding.ts'
import { mappedByKey, type Row } from './mapped-sample.ts'
import type { RoundTrip } from './round-trip.ts'
import { asText, sampleKeys } from './sample.ts'
import { fillTemporary } from './temporary-rows.ts'

/** An entry of `back`, and the mappings that fill the service's tables that it needs. */
interface BackTrip {
  readonly back: ShapedFlow
  /** Fills the table that its rows come from. */
  readonly there: ShapedFlow
  /** Fill the tables that it reads, in the order of its `reads`. */
  readonly reads: readonly ShapedFlow[]
}

const SAMPLED = 'pg_temp.ficus_sampled'
const KEYS = 'pg_temp.ficus_keys'
const RETURNED = 'pg_temp.ficus_returned'

/**
 * Sends a sample of the monolith's rows through `tables` and back through `back`, and compares all rows of the keys that come
 * back with those that are there, at one moment. Both sides are left as they were.
 *
 * An entry is tried where forward makes all that it sees of the same rows of the monolith.
 * @param sampleSize rows of each kind of sample.ts, an entry.
 */
export async function probeBackTrips(
  monolith: Client,
  service: Client,
  sync: Sync,
  sampleSize: number,
): Promise<RoundTrip> {
  const forward = await shapeFlows(monolith, service, flowsOf(sync, 'forward'))
  const entries = flowsOf({ tables: [], back: sync.back }, 'reverse')
  let rows = 0
  const findings: ProbeFinding[] = []
  for (const back of await shapeFlows(service, monolith, entries)) {
    const trip = tripOf(back, forward)
    const result = trip === null ? untried(back) : await probeEntry(monolith, service, trip, sampleSize)
    rows += result.rows
    findings.push(...result.findings)
  }
  return { rows, findings }
}

function untried({ flow }: ShapedFlow): RoundTrip {
  return { rows: 0, findings: [untriedBack(showTable(flow.to))] }
}

/** Null where something that the entry sees has other rows of the monolith behind it, or none. */
function tripOf(back: ShapedFlow, forward: readonly ShapedFlow[]): BackTrip | null {
  const filling = (table: TableName) => forward.find(({ flow }) => showTable(flow.to) === showTable(table))
  const there = filling(back.flow.from)
  const reads = back.flow.reads.flatMap(({ table }) => filling(table) ?? [])
  if (there === undefined || there.flow.each !== undefined || reads.length < back.flow.reads.length) return null
  if ([back, there, ...reads].some(({ flow }) => isComputed(flow))) return null
  const origin = ({ flow }: ShapedFlow) => [showTable(flow.from), ...flow.key.map(({ from }) => from)].join('\0')
  if (reads.some(read => read === there || origin(read) !== origin(there))) return null
  const isFilled = ({ flow }: ShapedFlow, names: readonly string[]) =>
    names.every(name => flow.columns.some(({ to }) => to === name))
  const names = back.source.columns.map(({ name }) => name)
  const seen = [...flowColumns(back.flow, names), ...matchedColumns(back)]
  const filled = isFilled(there, seen) && reads.every((read, index) => isFilled(read, columnsOfRead(back, index)))
  return filled ? { back, there, reads } : null
}

/** The columns of its own table that a flow finds rows of others by. */
function matchedColumns({ flow }: ShapedFlow): string[] {
  return flow.reads.flatMap(({ matches }) => matches.flat().map(({ equals }) => equals))
}

function columnsOfRead({ flow }: ShapedFlow, index: number): readonly string[] {
  return flow.reads[index]?.columns ?? []
}

async function probeEntry(monolith: Client, service: Client, trip: BackTrip, sampleSize: number): Promise<RoundTrip> {
  const { flow, target } = trip.back
  try {
    await monolith.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await service.query('BEGIN')
    const { keys, rows } = await sendThereAndBack(monolith, service, trip, sampleSize)
    const names = (columns: readonly { readonly to: string }[]) => columns.map(({ to }) => to)
    const live = { table: flow.to, shape: target }
    await fillTemporary(monolith, KEYS, live, names(flow.key), keys)
    await addSampledKeys(monolith, trip)
    await fillTemporary(monolith, RETURNED, live, names(flow.columns), rows)
    return await compare(monolith, trip)
  } catch (error) {
    if (judgeFailure(error) === 'passing') throw error
    const remedy = `Correct the expressions of ${trip.there.flow.path} or ${flow.path}, so that they take every value that is there.`
    const about = { kind: 'problem', part: 'rows', where: showTable(flow.to) } as const
    return { rows: 0, findings: [refusal(about, 'a sampled row cannot go there and back', error, remedy)] }
  } finally {
    await monolith.query('ROLLBACK').catch(() => {})
    await service.query('ROLLBACK').catch(() => {})
  }
}

/** @returns the keys at the monolith of the rows that went there, and what came back, as text. */
async function sendThereAndBack(
  monolith: Client,
  service: Client,
  { back, there, reads }: BackTrip,
  sampleSize: number,
): Promise<{ keys: readonly Row[]; rows: readonly Row[] }> {
  const { flow: forward, source } = there
  const key = forward.key.map(({ from }) => from)
  const keys = sampleKeys(forward.from, key, filterCondition(forward), sampleSize, source.estimatedRows)
  const reading = forward.reads.length === 0 ? '' : readsClause(forward)
  // Unless the planner knows how few they are, it may read the monolith's whole table.
  await monolith.query(`CREATE TEMPORARY TABLE ficus_sampled ON COMMIT DROP AS ${reading}${keys}; ANALYZE ${SAMPLED}`)
  const places: string[] = []
  for (const [index, filling] of [there, ...reads].entries()) {
    const rows = await mappedByKey(monolith, filling, `SELECT * FROM ${SAMPLED}`)
    const place = `pg_temp.${quoteIdentifier(`ficus_there_${index}`)}`
    const columns = filling.flow.columns.map(({ to }) => to)
    await fillTemporary(service, place, { table: filling.flow.to, shape: filling.target }, columns, rows)
    places.push(place)
  }
  const { flow, target } = back
  const clause = readsClause(flow, read => places[flow.reads.indexOf(read) + 1] ?? '')
  const from = `${places[0]} AS ${quoteIdentifier(flow.from.table)}`
  const mapped = `${clause}${mappedSelect(flow, target, sourceSideType)} FROM ${withEach(flow, from)} WHERE ${filterCondition(flow)}`
  const itsKeys = `${clause}SELECT ${mappedKey(flow, target)} FROM ${from} WHERE ${filterCondition(flow)}`
  const texts = async (columns: readonly string[], query: string) =>
    (await service.query<Record<string, string | null>>(asText(columns, `(${query}) AS mapped`))).rows
  return {
    keys: await texts(
      flow.key.map(({ to }) => to),
      itsKeys,
    ),
    rows: await texts(
      flow.columns.map(({ to }) => to),
      mapped,
    ),
  }
}

/** Where rows go back to the very table that they were sampled from, each is expected: whatever keys the others came back with. */
async function addSampledKeys(monolith: Client, { back, there }: BackTrip): Promise<void> {
  const names = back.flow.key.map(({ to }) => to)
  const sampled = new Set(there.flow.key.map(({ from }) => from))
  if (showTable(back.flow.to) !== showTable(there.flow.from)) return
  if (names.length !== sampled.size || names.some(name => !sampled.has(name))) return
  await monolith.query(`INSERT INTO ${KEYS} SELECT ${names.map(quoteIdentifier).join(', ')} FROM ${SAMPLED}`)
}

/** Compares what came back with all rows of its keys that are there. */
async function compare(monolith: Client, { back, there }: BackTrip): Promise<RoundTrip> {
  const { flow } = back
  const names = (columns: readonly { readonly to: string }[]) => columns.map(({ to }) => quoteIdentifier(to))
  const key = names(targetKey(flow))
  const written = flow.columns.slice(key.length)
  const own = ownRows(flow)
  const live = `SELECT true AS "ficus there", ${names(flow.columns).join(', ')} FROM ${own.table} WHERE (${names(flow.key).join(', ')}) IN (SELECT * FROM ${KEYS}) AND ${own.where}`
  const shownKey = `concat_ws(', ', ${key.map(name => `coalesce(b.${name}, s.${name})::text`).join(', ')})`
  const returned = `SELECT true AS "ficus back", * FROM ${RETURNED}`
  const both = 's."ficus there" AND b."ficus back"'
  const cases = [
    { where: showTable(flow.to), what: 'sampled rows do not come back', condition: 'b."ficus back" IS NULL' },
    { where: showTable(flow.to), what: 'rows come back that are not there', condition: 's."ficus there" IS NULL' },
    ...written.map(({ to }) => {
      const name = quoteIdentifier(to)
      const differs = `ROW(b.${name})::record OPERATOR(pg_catalog.*<>) ROW(s.${name})::record`
      const where = `${showTable(flow.to)}.${to}`
      return { where, what: 'sampled rows come back with another value', condition: `${both} AND ${differs}` }
    }),
  ]
  const counts = cases.map(
    ({ condition }, index) =>
      `count(*) FILTER (WHERE ${condition})::int AS n${index}, min(${shownKey}) FILTER (WHERE ${condition}) AS k${index}`,
  )
  const { rows } = await monolith.query<Record<string, number | string | null>>(
    `${own.reads}SELECT count(*)::int AS compared, ${counts.join(', ')} FROM (${returned}) AS b FULL JOIN (${live}) AS s USING (${key.join(', ')})`,
  )
  const [found] = rows
  const remedy = `Make ${flow.path} the inverse of what ${there.flow.path} and what it reads do.`
  const findings = cases.flatMap(({ where, what }, index) => {
    const count = Number(found?.[`n${index}`] ?? 0)
    return count === 0
      ? []
      : [problem('rows', where, `${count} ${what}, first that of key ${found?.[`k${index}`]}`, remedy)]
  })
  return { rows: Number(found?.compared ?? 0), findings }
}
