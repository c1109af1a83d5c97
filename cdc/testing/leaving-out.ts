import type {
  Change,
  ChangeBatch,
  ChangeSource,
  ChangeSourceFactory,
  Relation,
} from '../change-source/change-source.ts'
import { afterColumn, KIND, locateColumns } from '../change-source/tuple.ts'

/** An engine that leaves out every value of some columns, as `debezium` does for types that it cannot carry. */
export function leavingOut(make: ChangeSourceFactory, columns: ReadonlySet<string>): ChangeSourceFactory {
  return options => {
    const engine = make(options)
    const relations = new Map<Relation, Relation>()
    const reading: ChangeSource = {
      engine: engine.engine,
      prepare: (from, signal) => engine.prepare(from, signal),
      read: async function* (from, signal) {
        for await (const batch of engine.read(from, signal)) yield withoutValues(batch, columns, relations)
      },
      // What was handed on are copies.
      giveBack: () => {},
      acknowledge: position => engine.acknowledge(position),
      backlog: () => engine.backlog(),
      stop: () => engine.stop(),
      drop: () => engine.drop(),
    }
    return reading
  }
}

function withoutValues(
  batch: ChangeBatch,
  columns: ReadonlySet<string>,
  relations: Map<Relation, Relation>,
): ChangeBatch {
  const tuples: Buffer[] = []
  let length = 0
  const copy = (relation: Relation, offset: number, leaveOut: boolean): number => {
    if (offset < 0) return -1
    const tuple = tupleWithout(
      batch.data,
      offset,
      leaveOut ? relation.columns.map(({ name }) => columns.has(name)) : [],
    )
    tuples.push(tuple)
    length += tuple.length
    return length - tuple.length
  }
  const changes = batch.changes.map((change): Change => {
    const known = relations.get(change.relation) ?? marked(change.relation, columns)
    relations.set(change.relation, known)
    const oldTuple = copy(change.relation, change.oldTuple, false)
    return { ...change, relation: known, oldTuple, newTuple: copy(change.relation, change.newTuple, true) }
  })
  return { ...batch, data: Buffer.concat(tuples), changes }
}

function marked(relation: Relation, columns: ReadonlySet<string>): Relation {
  const mark = (column: Relation['columns'][number]) =>
    columns.has(column.name) ? { ...column, readBack: true as const } : column
  return { ...relation, columns: relation.columns.map(mark) }
}

function tupleWithout(data: Buffer, offset: number, leftOut: readonly boolean[]): Buffer {
  const starts: number[] = []
  locateColumns(data, offset, starts)
  const values = starts.map((start, index) =>
    leftOut[index] ? Buffer.of(KIND.UNCHANGED) : data.subarray(start, afterColumn(data, start)),
  )
  return Buffer.concat([data.subarray(offset, offset + 2), ...values])
}
