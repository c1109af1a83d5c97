import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { Change, ChangeBatch, Relation } from '../change-source/change-source.ts'
import { encodeTextTuple } from '../change-source/tuple.ts'
import type { Flow } from '../mapping/flow.ts'
import { columnsOf } from '../mapping/flow-columns.ts'
import { type ColumnShape, readTableShape, type TableShape } from '../mapping/table-shape.ts'

/** Some rows of a source table in the order of its key, as changes that the applier takes. */
export interface RowChunk {
  /** Its position is null: it belongs to no point of the stream. */
  readonly batch: ChangeBatch
  /** The last row's key, as text; null where there was no row. */
  readonly last: readonly string[] | null
  /** There are no more rows behind it. */
  readonly whole: boolean
}

/** A chunk ends before the row that would take it past this, unless that is its first one. */
const MAX_CHUNK_BYTES = 8 * 1024 * 1024
/** What one fetch may bring, unless a single row is larger. */
const MAX_FETCH_BYTES = MAX_CHUNK_BYTES / 4
/** Rows that are measured at a time: at first, and at most. */
const FIRST_MEASURED = 16
const MAX_MEASURED = 2_000
/** More than any value of a type of fixed length needs as text. */
const FIXED_LENGTH_BYTES = 64

/**
 * Reads the rows behind a key, within the transaction that `client` is in. They come unfiltered and unmapped, in text
 * form, as updates: staged and merged as the stream's changes are, each is inserted, changed, or deleted where the
 * filter leaves it out.
 *
 * @param carried every flow that the applier knows: all that come from the same table take part.
 * @param after the key, as text; null for the first rows.
 * @param relationOf makes of a shape the one object that stands for it (change-source/change-source.ts).
 */
export async function readChunk(
  client: Client,
  flow: Flow,
  carried: readonly Flow[],
  after: readonly string[] | null,
  maxRows: number,
  relationOf: (relation: Relation) => Relation,
): Promise<RowChunk> {
  const { shape, columns, relation: read } = await relationRead(client, flow, carried)
  const relation = relationOf(read)
  const keys = flow.key.map(({ from }) => quoteIdentifier(from))
  const typeOf = (name: string) => columns.find(column => column.name === name)?.type ?? 'text'
  const given = flow.key.map(({ from }, index) => `$${index + 1}::text::${typeOf(from)}`)
  const select = [...columns.map(column => quoteIdentifier(column.name)), ...keys].map(column => `${column}::text`)
  const size = await sizeExpression(client, shape, [
    ...columns.map(({ name }) => name),
    ...flow.key.map(({ from }) => from),
  ])
  // With the table's name: a bare one behind ORDER BY would be the selected text.
  const key = keys.map(column => `ficus_row.${column}`).join(', ')
  const rowsBehind = `FROM ${quoteTable(flow.from)} AS ficus_row
     ${after === null ? '' : `WHERE (${key}) > (${given.join(', ')})`} ORDER BY ${key} LIMIT ${maxRows}`
  const values = after === null ? [] : [...after]
  await client.query(`DECLARE ficus_sizes NO SCROLL CURSOR FOR SELECT ${size} ${rowsBehind}`, values)
  await client.query(`DECLARE ficus_rows NO SCROLL CURSOR FOR SELECT ${select.join(', ')} ${rowsBehind}`, values)

  const tuples: Buffer[] = []
  let bytes = 0
  let last: readonly string[] | null = null
  let measured: readonly number[] = []
  let toMeasure = FIRST_MEASURED
  let ended = false
  while (tuples.length < maxRows) {
    if (measured.length === 0 && !ended) {
      measured = (await fetchRows(client, 'ficus_sizes', toMeasure)).map(([bytes]) => Number(bytes))
      ended = measured.length < toMeasure
      toMeasure = nextToMeasure(toMeasure, measured)
    }
    const [next] = measured
    if (next === undefined || (last !== null && bytes + next > MAX_CHUNK_BYTES)) break
    const count = countWithin(measured, Math.min(MAX_FETCH_BYTES, MAX_CHUNK_BYTES - bytes))
    measured = measured.slice(count)
    for (const row of await fetchRows(client, 'ficus_rows', count)) {
      const tuple = encodeTextTuple(row.slice(0, columns.length))
      tuples.push(tuple)
      bytes += tuple.length
      last = row.slice(columns.length).map(value => value ?? '')
    }
  }
  return {
    batch: asBatch(relation, tuples, 'update'),
    last,
    whole: ended && measured.length === 0 && tuples.length < maxRows,
  }
}

/** The flow's source table as it is now, with the columns that any flow from it reads. */
export async function relationRead(
  client: Client,
  flow: Flow,
  carried: readonly Flow[],
): Promise<{
  readonly shape: TableShape | null
  readonly columns: readonly ColumnShape[]
  readonly relation: Relation
}> {
  const shape = await readTableShape(client, flow.from)
  const stored = (shape?.columns ?? []).filter(column => !column.generated)
  const names = stored.map(column => column.name)
  const read = columnsOf(carried, flow.from, names)
  const columns = stored.filter(column => read.has(column.name))
  const relation: Relation = {
    table: flow.from,
    format: 'text',
    columns: columns.map(({ name, wireType, preciseType }) => ({ name, type: wireType, preciseType, identity: true })),
  }
  return { shape, columns, relation }
}

async function fetchRows(client: Client, cursor: string, count: number): Promise<(string | null)[][]> {
  const { rows } = await client.query<(string | null)[]>({ text: `FETCH ${count} FROM ${cursor}`, rowMode: 'array' })
  return rows
}

/**
 * About how many bytes a row has as text, as SQL. The rows before it do not tell, and what is stored may be compressed;
 * for a text of its own file (TOAST) the server knows its length without reading it.
 */
async function sizeExpression(client: Client, shape: TableShape | null, names: readonly string[]): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::int8::oid AND attlen = -1 AND NOT attisdropped',
    [shape?.oid ?? 0],
  )
  const varying = new Set(rows.map(({ name }) => name))
  const lengths = names
    .filter(name => varying.has(name))
    .map(name => `coalesce(octet_length(${quoteIdentifier(name)}::text), 0)`)
  return [names.length * FIXED_LENGTH_BYTES, ...lengths].join('::int8 + ')
}

/** Large values may have to be unpacked to be measured: the fewer at a time, the larger the last ones were. */
function nextToMeasure(before: number, measured: readonly number[]): number {
  const bytes = measured.reduce((sum, size) => sum + size, 0)
  const within = bytes === 0 ? MAX_MEASURED : Math.floor((MAX_FETCH_BYTES / bytes) * measured.length)
  return Math.max(1, Math.min(MAX_MEASURED, before * 4, within))
}

/** How many of the first rows have `limit` bytes together at most; one, if that is larger. */
function countWithin(sizes: readonly number[], limit: number): number {
  let total = 0
  const past = sizes.findIndex(size => {
    total += size
    return total > limit
  })
  return past === -1 ? sizes.length : Math.max(1, past)
}

/** Rows as they are, or deletions of what they were. */
export function asBatch(relation: Relation, tuples: readonly Buffer[], kind: 'update' | 'delete'): ChangeBatch {
  let offset = 0
  const changes = tuples.map((tuple): Change => {
    const at = offset
    offset += tuple.length
    return kind === 'update'
      ? { kind, relation, oldTuple: -1, newTuple: at }
      : { kind, relation, oldTuple: at, newTuple: -1 }
  })
  return { data: Buffer.concat(tuples), changes, position: null, firstCommit: null, lastCommit: null, transactions: [] }
}
