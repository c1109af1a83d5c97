import { quoteIdentifier, quoteTable, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { Change, ChangeBatch, Relation } from '../change-source/change-source.ts'
import { encodeTextTuple } from '../change-source/tuple.ts'
import type { Flow } from '../mapping/flow.ts'
import { flowColumns } from '../mapping/flow-columns.ts'
import { readTableShape } from '../mapping/table-shape.ts'

/** Some rows of a source table in the order of its key, as changes that the applier takes. */
export interface RowChunk {
  /** Its position is null: it belongs to no point of the stream. */
  readonly batch: ChangeBatch
  /** The last row's key, as text; null where there was no row. */
  readonly last: readonly string[] | null
  /** There are no more rows behind it. */
  readonly whole: boolean
}

/** How much a chunk may hold. Rows are fetched by about a quarter of that, so that huge ones do not add up. */
const MAX_CHUNK_BYTES = 8 * 1024 * 1024
const MAX_FETCH = 2_000

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
  const shape = await readTableShape(client, flow.from)
  const stored = (shape?.columns ?? []).filter(column => !column.generated)
  const names = stored.map(column => column.name)
  const together = carried.filter(({ from }) => showTable(from) === showTable(flow.from))
  const read = new Set(together.flatMap(other => [...flowColumns(other, names)]))
  const columns = stored.filter(column => read.has(column.name))
  const relation = relationOf({
    table: flow.from,
    format: 'text',
    columns: columns.map(({ name, wireType }) => ({ name, type: wireType, identity: true })),
  })

  const keys = flow.key.map(({ from }) => quoteIdentifier(from))
  const typeOf = (name: string) => stored.find(column => column.name === name)?.type ?? 'text'
  const given = flow.key.map(({ from }, index) => `$${index + 1}::text::${typeOf(from)}`)
  const select = [...columns.map(column => quoteIdentifier(column.name)), ...keys].map(column => `${column}::text`)
  // With the table's name: a bare one behind ORDER BY would be the selected text.
  const key = keys.map(column => `ficus_row.${column}`).join(', ')
  await client.query(
    `DECLARE ficus_rows NO SCROLL CURSOR FOR SELECT ${select.join(', ')} FROM ${quoteTable(flow.from)} AS ficus_row
     ${after === null ? '' : `WHERE (${key}) > (${given.join(', ')})`} ORDER BY ${key} LIMIT ${maxRows}`,
    after === null ? [] : [...after],
  )
  const tuples: Buffer[] = []
  let bytes = 0
  let last: readonly string[] | null = null
  let fetch = 1
  let ended = false
  while (!ended && tuples.length < maxRows && bytes < MAX_CHUNK_BYTES) {
    const { rows } = await client.query<(string | null)[]>({
      text: `FETCH ${fetch} FROM ficus_rows`,
      rowMode: 'array',
    })
    ended = rows.length < fetch
    for (const row of rows) {
      const tuple = encodeTextTuple(row.slice(0, columns.length))
      tuples.push(tuple)
      bytes += tuple.length
      last = row.slice(columns.length).map(value => value ?? '')
    }
    const rowBytes = tuples.length === 0 ? 1 : bytes / tuples.length
    fetch = Math.max(1, Math.min(MAX_FETCH, fetch * 4, Math.floor(MAX_CHUNK_BYTES / 4 / rowBytes)))
  }
  return { batch: asBatch(relation, tuples), last, whole: ended && tuples.length < maxRows }
}

function asBatch(relation: Relation, tuples: readonly Buffer[]): ChangeBatch {
  let offset = 0
  const changes = tuples.map((tuple): Change => {
    const newTuple = offset
    offset += tuple.length
    return { kind: 'update', relation, oldTuple: -1, newTuple }
  })
  return { data: Buffer.concat(tuples), changes, position: null, firstCommit: null, lastCommit: null, transactions: [] }
}
