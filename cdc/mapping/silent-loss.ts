import { FicusError } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier, quoteTable, showTable } from '@ficus/core/sql/identifier'
import type { Client, FieldDef } from 'pg'
import { isComputed } from './computed-rows.ts'
import { bracketed, type Flow, keyExpressions, type MappedColumn, sourceTables, withEach } from './flow.ts'
import { scaleOf } from './numeric-modifier.ts'

/** A mapped value whose type its column takes, yet not whole, and without an error. */
export interface SilentLoss {
  readonly mapped: MappedColumn
  /** The expression's type, as in SQL. */
  readonly from: string
  /** The column's. */
  readonly to: string
}

/**
 * A type as the server describes a result's column: a domain is its base type there; `tableID` is 0 unless the value is a
 * table's column as it is.
 */
export type DescribedType = Pick<FieldDef, 'dataTypeID' | 'dataTypeModifier' | 'tableID'>

/** PostgreSQL's own types that a cast may shorten: name, OID, OID of the array (catalog/pg_type.dat). */
const TYPES = [
  ['int8', 20, 1016],
  ['int2', 21, 1005],
  ['int4', 23, 1007],
  ['float4', 700, 1021],
  ['float8', 701, 1022],
  ['money', 790, 791],
  ['date', 1082, 1182],
  ['time', 1083, 1183],
  ['timestamp', 1114, 1115],
  ['timestamptz', 1184, 1185],
  ['interval', 1186, 1187],
  ['timetz', 1266, 1270],
  ['numeric', 1700, 1231],
] as const

type TypeName = (typeof TYPES)[number][0]

/** An array is cast as its elements are. */
const NAMES: ReadonlyMap<number, TypeName> = new Map(
  TYPES.flatMap(([name, oid, array]) => [[oid, name] as const, [array, name] as const]),
)

const INTEGERS: readonly TypeName[] = ['int2', 'int4', 'int8']

/**
 * The casts on assignment that round or cut off what does not fit (catalog/pg_cast.dat); the others are exact, or refuse
 * such a value. What a timestamptz loses is that it is a moment: the hour alone may be read in any zone.
 */
const LOSSY: Partial<Record<TypeName, readonly TypeName[]>> = {
  numeric: [...INTEGERS, 'float4', 'float8', 'money'],
  float4: INTEGERS,
  float8: [...INTEGERS, 'float4'],
  timestamp: ['date', 'time'],
  timestamptz: ['date', 'time', 'timetz', 'timestamp'],
  timetz: ['time'],
  interval: ['time'],
}

/** Whether an assignment from one type to the other may lose a part of a value without an error. */
export function losesInSilence(from: DescribedType, to: DescribedType): boolean {
  const source = NAMES.get(from.dataTypeID)
  const target = NAMES.get(to.dataTypeID)
  if (source === undefined || target === undefined) return false
  if (source !== 'numeric' || target !== 'numeric') return LOSSY[source]?.includes(target) ?? false
  const had = scaleOf(from.dataTypeModifier)
  const has = scaleOf(to.dataTypeModifier)
  if (has === null) return false
  // A column without limits may hold any digits. Arithmetic never has limits, and says nothing of its digits.
  return had === null ? from.tableID !== 0 : had > has
}

/**
 * Finds what a mapping would lose without anybody having written a cast: with one, the expression's type is the column's,
 * and the loss is meant.
 * @param client a session in which `rows` is a table that the expressions can be read from.
 * @param target a session with the database that the flow writes to.
 * @param clause what goes before a SELECT whose expressions look into other tables.
 * @param rows what stands behind FROM, under the bare name of the flow’s own table.
 * @param but target columns that are not looked at.
 */
export async function findSilentLosses(
  client: Client,
  target: Client,
  flow: Flow,
  rows: string,
  clause = '',
  but: ReadonlySet<string> = new Set(),
): Promise<SilentLoss[]> {
  const columns = (isComputed(flow) ? keyExpressions(flow) : flow.columns).filter(({ to }) => !but.has(to))
  const values = columns.map(({ expression }) => bracketed(expression)).join(', ')
  const { fields: from } = await client.query(`${clause}SELECT ${values} FROM ${withEach(flow, rows)} LIMIT 0`)
  const names = columns.map(({ to }) => quoteIdentifier(to)).join(', ')
  const { fields: to } = await target.query(`SELECT ${names} FROM ${quoteTable(flow.to)} LIMIT 0`)
  const losses: SilentLoss[] = []
  for (const [index, mapped] of columns.entries()) {
    const [value, column] = [from[index], to[index]]
    if (value === undefined || column === undefined || !losesInSilence(value, column)) continue
    losses.push({ mapped, from: await showType(target, value), to: await showType(target, column) })
  }
  return losses
}

/**
 * Asserts that a mapping which was checked in the beginning has not come to lose something, since a column was given
 * another type.
 * @param client a session with the target, in which `rows` and `clause` are as for `findSilentLosses`.
 * @throws FICUS_SOURCE_CHANGED
 */
export async function assertNothingLost(client: Client, flow: Flow, rows: string, clause = ''): Promise<void> {
  const [loss] = await findSilentLosses(client, client, flow, rows, clause)
  if (loss === undefined) return
  const { mapped, from, to } = loss
  const tables = sourceTables([flow]).map(showTable).join(', ')
  throw new FicusError(
    'FICUS_SOURCE_CHANGED',
    `${tables} has changed: ${mapped.expression} is ${from} by now, and ${showTable(flow.to)}.${mapped.to}, to which ${flow.path} maps it, ${to}: what does not fit would be lost without an error`,
    { remedy: `${remedyOfLoss(loss)} Then start sync again; it resumes where it stopped.` },
  )
}

/** What to do about a loss. */
export function remedyOfLoss({ mapped, from, to }: SilentLoss): string {
  return `If that is meant, write it: ${bracketed(mapped.expression)}::${to}; otherwise give ${mapped.to} a type that holds ${from}.`
}

async function showType(client: Client, { dataTypeID, dataTypeModifier }: DescribedType): Promise<string> {
  const { rows } = await client.query<{ type: string }>('SELECT format_type($1::int8::oid, $2) AS type', [
    dataTypeID,
    dataTypeModifier,
  ])
  return rows[0]?.type ?? ''
}
