import { quoteIdentifier, quoteTable, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type ShapedFlow, shapeFlows } from '../copy/first-copy.ts'
import { judgeFailure } from '../database/failure.ts'
import { isComputed } from '../mapping/computed-rows.ts'
import { type Flow, flowsOf, type Sync } from '../mapping/flow.ts'
import { flowColumns } from '../mapping/flow-columns.ts'
import { assignedType, columnOf, mappedSelect, sourceSideType } from '../mapping/merge-sql.ts'
import { probeBackTrips } from './back-trip.ts'
import { type ProbeFinding, problem, refusal, untried } from './finding.ts'
import { keysCarried, mappedSample, type Row } from './mapped-sample.ts'
import { asText } from './sample.ts'
import { fillTemporary } from './temporary-rows.ts'

/** What became of rows that went there and back. */
export interface RoundTrip {
  /** Rows that were compared. */
  readonly rows: number
  readonly findings: readonly ProbeFinding[]
}

/** A mapping that goes both ways: `there` writes the service's table, `back` the monolith's. */
interface BothWays {
  readonly there: ShapedFlow
  readonly back: Flow
}

const SAMPLE = 'pg_temp.ficus_probe'
/** An alias beside that of a table of a user's. */
const LIVE = quoteIdentifier('ficus live')

/**
 * Sends a sample of the monolith's rows there and back, inside the databases, and compares: reverse of forward has to give
 * the same value in every column that reverse writes, the key's too. Columns that only the service has are taken from its own row. Both
 * sides are left as they were.
 *
 * @param sampleSize rows of each kind of sample.ts, a table.
 */
export async function probeRoundTrip(
  monolith: Client,
  service: Client,
  sync: Sync,
  sampleSize: number,
): Promise<RoundTrip> {
  const backs = new Map(flowsOf(sync, 'reverse').map(flow => [flow.path, flow]))
  const shaped = await shapeFlows(monolith, service, flowsOf(sync, 'forward'))
  let rows = 0
  const findings: ProbeFinding[] = []
  for (const there of shaped) {
    const back = backs.get(there.flow.path)
    if (back === undefined) continue
    if (isComputed(there.flow) || isComputed(back)) {
      findings.push(untried('rows', showTable(there.flow.from)))
      continue
    }
    const result = await probeTable(monolith, service, { there, back }, sampleSize)
    rows += result.rows
    findings.push(...result.findings)
  }
  const back = await probeBackTrips(monolith, service, sync, sampleSize)
  return { rows: rows + back.rows, findings: [...findings, ...back.findings] }
}

async function probeTable(monolith: Client, service: Client, ways: BothWays, sampleSize: number): Promise<RoundTrip> {
  const { flow } = ways.there
  try {
    await monolith.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await service.query('BEGIN')
    const there = await mappedSample(monolith, ways.there, sampleSize)
    const back = there.length === 0 ? [] : await readBack(service, ways, there)
    return back.length === 0 ? { rows: 0, findings: [] } : await compare(monolith, ways, back)
  } catch (error) {
    if (judgeFailure(error) === 'passing') throw error
    const remedy = `Correct the expressions of ${flow.path}, so that they take every value that ${showTable(flow.from)} holds.`
    const about = { kind: 'problem', part: 'rows', where: showTable(flow.from) } as const
    return { rows: 0, findings: [refusal(about, 'a sampled row cannot go there and back', error, remedy)] }
  } finally {
    await Promise.all([monolith, service].map(client => client.query('ROLLBACK').catch(() => {})))
  }
}

/** Rows that forward gave, as reverse maps them back, as text, each with the key of the row that it was made of. */
async function readBack(service: Client, { there, back }: BothWays, rows: readonly Row[]): Promise<Row[]> {
  const { flow, source, target } = there
  const columns = flow.columns.map(({ to }) => to)
  const live = quoteTable(flow.to)
  const names = target.columns.map(column => column.name)
  await fillTemporary(service, SAMPLE, { table: flow.to, shape: target }, columns, rows, {
    made: names,
    carried: keysCarried(flow),
  })
  const unmapped = names.filter(name => !columns.includes(name))
  if (unmapped.length > 0) {
    const set = unmapped.map(name => `${quoteIdentifier(name)} = t.${quoteIdentifier(name)}`)
    await service.query(
      `UPDATE ${SAMPLE} AS p SET ${set.join(', ')} FROM ${live} AS t WHERE ${sameKey(flow, 't', 'p')}`,
    )
  }
  // Where the way back reads a column that only the service has, a row that is not there yet says nothing.
  const needsLive = [...flowColumns(back, names)].some(name => unmapped.includes(name))
  const sample = quoteIdentifier(back.from.table)
  const known = needsLive ? ` WHERE EXISTS (SELECT FROM ${live} AS ${LIVE} WHERE ${sameKey(flow, LIVE, sample)})` : ''
  const carried = keysCarried(flow).map(quoteIdentifier)
  const mapped = `(${mappedSelect(back, source, sourceSideType)}, ${carried.join(', ')} FROM ${SAMPLE} AS ${sample}${known}) AS mapped`
  const { rows: result } = await service.query<Record<string, string | null>>(
    asText([...back.columns.map(({ to }) => to), ...keysCarried(flow)], mapped),
  )
  return result
}

/** Whether rows of the service's table, under two aliases, have the same key. */
function sameKey({ key }: Flow, one: string, other: string): string {
  return key.map(({ to }) => `${one}.${quoteIdentifier(to)} = ${other}.${quoteIdentifier(to)}`).join(' AND ')
}

/** Compares what came back with the row that it was made of, column by column, in the monolith's own types. */
async function compare(monolith: Client, { there, back }: BothWays, rows: readonly Row[]): Promise<RoundTrip> {
  const { source } = there
  const columns = back.columns.map(({ to }) => to)
  const live = quoteTable(back.to)
  await fillTemporary(monolith, SAMPLE, { table: back.to, shape: source }, columns, rows, {
    carried: keysCarried(there.flow),
  })
  const carried = keysCarried(there.flow).map(name => `b.${quoteIdentifier(name)}`)
  const match = there.flow.key.map(({ from }, index) => {
    return `s.${quoteIdentifier(from)} = ${carried[index]}::${assignedType(columnOf(source, from))}`
  })
  const shownKey = `concat_ws(', ', ${carried.join(', ')})`
  const isKey = new Set(back.key.map(({ to }) => to))
  const found = columns.map((name, index) => {
    const column = quoteIdentifier(name)
    // A key finds its row wherever it is equal; any other column has to be the same to the byte.
    const differs = isKey.has(name)
      ? `b.${column} IS DISTINCT FROM s.${column}`
      : `ROW(b.${column})::record OPERATOR(pg_catalog.*<>) ROW(s.${column})::record`
    return `count(*) FILTER (WHERE ${differs})::int AS n${index}, min(${shownKey}) FILTER (WHERE ${differs}) AS k${index}`
  })
  const { rows: counted } = await monolith.query<Record<string, number | string | null>>(
    `SELECT ${['count(*)::int AS compared', ...found].join(', ')} FROM ${SAMPLE} AS b JOIN ${live} AS s ON ${match.join(' AND ')}`,
  )
  const [counts] = counted
  const compared = Number(counts?.compared ?? 0)
  const findings = columns.flatMap((name, index) => {
    const differing = Number(counts?.[`n${index}`] ?? 0)
    if (differing === 0) return []
    const where = `${showTable(back.to)}.${name}`
    const what = isKey.has(name) ? 'another key: another row would be written' : 'another value'
    const text = `${differing} of ${compared} sampled rows come back with ${what}, first that of key ${counts?.[`k${index}`]}`
    const setting = isKey.has(name) ? `${back.path}.key.${name}.reverse` : `${back.path}.reverse.${name}`
    return [problem('rows', where, text, `Make ${setting} the inverse of what forward does with it.`)]
  })
  return { rows: compared, findings }
}
