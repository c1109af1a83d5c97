import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type ChangeEvent, type EventRow, UNAVAILABLE_VALUE } from '../change-event/change-event.ts'
import { viewChange } from '../change-event/view-change.ts'
import type { Change } from '../change-source/change-source.ts'
import { afterColumn, locateColumns, valueAt } from '../change-source/tuple.ts'
import type { Staging } from './staging.ts'

/** What a person is told of a change, and which keys it is about. */
export interface DescribedChange {
  /** The source's table and those that the change goes to: `schema.table`. */
  readonly table: string
  readonly targets: readonly string[]
  readonly kind: Change['kind']
  /** Key column of the source -> its value as text. */
  readonly key: EventRow
  /** The keys of the row before and after, of each flow's own, in `keyText`'s form. */
  readonly keys: readonly string[]
  /** Null where the target cannot even show it. */
  readonly event: ChangeEvent | null
}

/** A key as text that can be compared: JSON, the same for the same columns of one flow, in whatever order JavaScript has them. */
export function keyText(key: EventRow): string {
  return JSON.stringify(key)
}

/** @param client in a transaction that is still usable, and stays so. */
export async function describeChange(
  client: Client,
  change: Change,
  data: Buffer,
  stagings: readonly Staging[],
): Promise<DescribedChange> {
  const { relation, kind } = change
  const keyIndexes = [...new Set(stagings.flatMap(staging => staging.keyIndexes))]
  const event = await viewOrNull(client, change, data)
  const shown = event ?? (await viewKey(client, change, data, keyIndexes))
  const nameOf = (index: number) => relation.columns[index]?.name ?? ''
  const rows = [withKnown(shown.after, shown.before), shown.before].filter(row => row !== null)
  const keyOf = (row: EventRow, indexes: readonly number[]): EventRow =>
    Object.fromEntries(indexes.map(index => [nameOf(index), row[nameOf(index)] ?? null]))
  return {
    table: showTable(relation.table),
    targets: [...new Set(stagings.flatMap(staging => staging.flows.flatMap(({ feeds }) => feeds.map(showTable))))],
    kind,
    key: keyOf(rows[0] ?? {}, keyIndexes),
    keys: [...new Set(rows.flatMap(row => stagings.map(staging => keyText(keyOf(row, staging.keyIndexes)))))],
    event,
  }
}

/** A key value that was not sent did not change, so the row before has it. */
function withKnown(after: EventRow | null, before: EventRow | null): EventRow | null {
  if (after === null || before === null) return after
  const known = Object.entries(after).map(([name, value]) => [name, value === UNAVAILABLE_VALUE ? before[name] : value])
  return Object.fromEntries(known)
}

async function viewOrNull(client: Client, change: Change, data: Buffer): Promise<ChangeEvent | null> {
  await client.query('SAVEPOINT ficus_view')
  try {
    const event = await viewChange(client, change, data)
    await client.query('RELEASE SAVEPOINT ficus_view')
    return event
  } catch {
    await client.query('ROLLBACK TO SAVEPOINT ficus_view; RELEASE SAVEPOINT ficus_view')
    return null
  }
}

type Rows = Pick<ChangeEvent, 'before' | 'after'>

/** The key alone, where the target cannot show some other value; as bytes where it cannot show the key either. */
async function viewKey(client: Client, change: Change, data: Buffer, keyIndexes: readonly number[]): Promise<Rows> {
  const tuples = [change.oldTuple, change.newTuple].map(offset => narrow(data, offset, keyIndexes))
  const [old, fresh] = tuples
  const narrowed = Buffer.concat(tuples.flatMap(tuple => tuple ?? []))
  const columns = keyIndexes.flatMap(index => change.relation.columns[index] ?? [])
  const keyChange: Change = {
    kind: change.kind,
    relation: { ...change.relation, columns },
    oldTuple: old == null ? -1 : 0,
    newTuple: fresh == null ? -1 : (old?.length ?? 0),
  }
  const event = await viewOrNull(client, keyChange, narrowed)
  return event ?? { before: asBytes(keyChange, narrowed, 'oldTuple'), after: asBytes(keyChange, narrowed, 'newTuple') }
}

/** A tuple of some columns of the tuple at `offset`. */
function narrow(data: Buffer, offset: number, columns: readonly number[]): Buffer | null {
  if (offset < 0) return null
  const starts: number[] = []
  locateColumns(data, offset, starts)
  const head = Buffer.alloc(2)
  head.writeInt16BE(columns.length)
  const values = columns.map(column => data.subarray(starts[column], afterColumn(data, starts[column] ?? 0)))
  return Buffer.concat([head, ...values])
}

function asBytes({ relation, ...change }: Change, data: Buffer, which: 'oldTuple' | 'newTuple'): EventRow | null {
  if (change[which] < 0) return null
  const starts: number[] = []
  locateColumns(data, change[which], starts)
  const values = starts.map(start => valueAt(data, start))
  return Object.fromEntries(
    relation.columns.map(({ name }, index) => {
      const value = values[index] ?? null
      return [name, value === null ? null : `\\x${value.toString('hex')}`]
    }),
  )
}
