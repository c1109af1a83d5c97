import type { EventRecord } from '../event.ts'
import type { Producer } from '../producer-runs.ts'

/** A change in the source's log. */
export interface LoggedChange {
  /** Its row's key, which no other change has. */
  readonly id: string
  readonly lsn: number
  /** The partition that its table's topic keeps its key in. */
  readonly partition: number
}

/** A transaction in the source's log. */
export interface LoggedTransaction {
  readonly id: string
  readonly changes: readonly LoggedChange[]
  /** Where the commit before it ends, and its own. */
  readonly previousCommit: number
  readonly endLsn: number
}

/** Which of the connector's starts and transactions take a new epoch, see producer-runs.ts. Here each record is one transaction's. */
export type Epochs = 'of starts' | 'of transactions'

/**
 * What a connector does once it was killed: goes on, with its numbers or from 1 again behind another begin (Debezium
 * 3.7.0, seen), or was registered anew and begins with an earlier transaction, so many before. Where it counts on, and had
 * written exactly one of several changes at one place, it leaves the others out.
 */
export type Restart = 'counts on' | 'counts anew' | { readonly from: number }

/** The connector is killed when it has written so many records more. */
export interface Kill {
  readonly after: number
  readonly restart: Restart
}

/** Writes a log as Debezium does: records of the transactions' topic and of each partition of the others. */
export function writeTopics(
  log: readonly LoggedTransaction[],
  kills: readonly Kill[],
  layout: 'single' | number,
  epochs: Epochs,
) {
  const boundaries: EventRecord[] = []
  const partitions = layout === 'single' ? [] : Array.from({ length: layout }, (): EventRecord[] => [])
  const topicOf = (partition: number) => (layout === 'single' ? boundaries : (partitions[partition] ?? []))
  const pending = [...kills]
  let budget = pending[0]?.after ?? Number.POSITIVE_INFINITY
  let knowsCommit = false
  // Where the next record stands: a begin, a change, or an end.
  let place = { transaction: 0, step: 0 }
  let order = 0
  let epoch = 0
  const producer = (): Producer => ({ producerId: '1', producerEpoch: epoch })
  while (place.transaction < log.length) {
    const transaction = log[place.transaction]
    if (transaction === undefined) break
    if (budget === 0) {
      const restart = pending.shift()?.restart
      budget = pending[0]?.after ?? Number.POSITIVE_INFINITY
      epoch += 1
      if (typeof restart === 'object') {
        place = { transaction: Math.max(0, place.transaction - restart.from), step: 0 }
        knowsCommit = false
      } else if (restart === 'counts anew' && place.step > 0) {
        begin(transaction)
      } else if (restart === 'counts on') {
        place = { ...place, step: place.step + leftOut(transaction, place.step) }
      }
      continue
    }
    budget -= 1
    if (epochs === 'of transactions') epoch += 1
    const change = transaction.changes[place.step - 1]
    if (place.step === 0) begin(transaction)
    else if (change !== undefined) write(transaction, change)
    else end(transaction)
    const isOver = place.step > transaction.changes.length
    place = isOver ? { transaction: place.transaction + 1, step: 0 } : { ...place, step: place.step + 1 }
  }
  return { boundaries, partitions }

  function begin({ id, changes, endLsn }: LoggedTransaction): void {
    order = 0
    append(boundaries, { status: 'BEGIN', id: `${id}:${changes[0]?.lsn ?? endLsn}` }, producer())
  }

  function end({ id, endLsn }: LoggedTransaction): void {
    append(boundaries, { status: 'END', id: `${id}:${endLsn}`, event_count: order, ts_ms: 1 }, producer())
    knowsCommit = true
  }

  function write({ id, previousCommit }: LoggedTransaction, change: LoggedChange): void {
    order += 1
    const sequence = JSON.stringify([knowsCommit ? String(previousCommit) : null, String(change.lsn)])
    const event = {
      op: 'c',
      after: { id: change.id },
      source: { schema: 'public', table: 't', sequence },
      transaction: { id: `${id}:${change.lsn}`, total_order: order },
    }
    append(topicOf(change.partition), event, producer())
  }
}

/** How many changes are left out by a connector that was restarted before a transaction's `step`. */
function leftOut({ changes }: LoggedTransaction, step: number): number {
  const last = changes[step - 2]
  const together = changes.filter(({ lsn }) => lsn === last?.lsn)
  return together[0] === last ? Math.max(0, together.length - 1) : 0
}

/** Offsets have gaps, where Kafka keeps markers of its own. */
export function append(records: EventRecord[], value: unknown, batchContext?: Producer): void {
  const last = Number(records.at(-1)?.offset ?? -1)
  const offset = String(last + 1 + (last % 3 === 0 ? 1 : 0))
  records.push({ offset, value: Buffer.from(JSON.stringify(value)), batchContext })
}
