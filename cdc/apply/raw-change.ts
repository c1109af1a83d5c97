import type { Change, Relation } from '../change-source/change-source.ts'
import { afterTuple } from '../change-source/tuple.ts'

/** A change cut out of its batch: the very bytes that came, so that it can be applied at another time. */
export interface RawChange {
  readonly kind: Change['kind']
  readonly relation: Relation
  readonly oldTuple: Buffer | null
  readonly newTuple: Buffer | null
}

/** Cuts a change out of a batch's data. The bytes are still the batch's. */
export function cutChange(data: Buffer, { kind, relation, oldTuple, newTuple }: Change): RawChange {
  const cut = (offset: number) => (offset < 0 ? null : data.subarray(offset, afterTuple(data, offset)))
  return { kind, relation, oldTuple: cut(oldTuple), newTuple: cut(newTuple) }
}

/** Puts changes together again, in the order given. Those of one shape share one relation, as in a stream. */
export function joinChanges(changes: readonly RawChange[]): { readonly data: Buffer; readonly changes: Change[] } {
  const tuples: Buffer[] = []
  let length = 0
  const add = (tuple: Buffer | null): number => {
    if (tuple === null) return -1
    tuples.push(tuple)
    length += tuple.length
    return length - tuple.length
  }
  const relations = new Map<string, Relation>()
  const joined = changes.map(({ kind, relation, oldTuple, newTuple }): Change => {
    const shape = JSON.stringify(relation)
    const shared = relations.get(shape) ?? relation
    relations.set(shape, shared)
    return { kind, relation: shared, oldTuple: add(oldTuple), newTuple: add(newTuple) }
  })
  return { data: Buffer.concat(tuples), changes: joined }
}
