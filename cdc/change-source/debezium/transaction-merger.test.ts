import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { EventRecord, Row } from './event.ts'
import { PartitionQueue } from './partition-queue.ts'
import { append } from './testing/connector-model.ts'
import { TransactionMerger } from './transaction-merger.ts'

/** A transaction of the source: for each of its events, the partition that it went to. */
interface Written {
  readonly id: string
  readonly endLsn: number
  readonly previousCommit: number | null
  readonly partitions: readonly number[]
}

const PARTITIONS = 3

/** What Debezium writes for transactions: records of each partition, and of the transactions' topic. */
class Topics {
  readonly boundaries: EventRecord[] = []
  readonly partitions: EventRecord[][] = Array.from({ length: PARTITIONS }, () => [])

  /** @param events how many of its events are written, before the connector is killed, say. */
  write({ id, endLsn, previousCommit, partitions }: Written, events = partitions.length): void {
    append(this.boundaries, { status: 'BEGIN', id: `${id}:1` })
    for (const [index, partition] of partitions.slice(0, events).entries()) {
      append(this.partitions[partition] ?? [], {
        op: 'c',
        after: { id: `${id}/${index + 1}` },
        source: {
          schema: 'public',
          table: 't',
          sequence: JSON.stringify([previousCommit && `${previousCommit}`, '1']),
        },
        transaction: { id: `${id}:${endLsn - 50 + index}`, total_order: index + 1 },
      })
    }
    if (events < partitions.length) return
    append(this.boundaries, { status: 'END', id: `${id}:${endLsn}`, event_count: partitions.length, ts_ms: 1 })
  }
}

/** A reader of the topics that got so many records of each. */
function reader(topics: Topics, reached = 0, from: Readonly<Record<string, string>> = {}) {
  const queues = [topics.boundaries, ...topics.partitions].map((records, index) => {
    const key = `t:${index}`
    const first = BigInt(from[key] ?? 0)
    return { queue: new PartitionQueue(key, first), unread: records.filter(({ offset }) => BigInt(offset) >= first) }
  })
  const [boundaries, ...partitions] = queues.map(({ queue }) => queue)
  if (boundaries === undefined) throw new Error('no queue')
  const merger = new TransactionMerger({ boundaries, partitions, reached: BigInt(reached) })
  const rows: string[] = []
  const positions: Record<string, string>[] = []
  const ends = new Map(
    queues.map(({ queue, unread }) => [queue.partition, BigInt(unread.at(-1)?.offset ?? queue.read - 1n) + 1n]),
  )
  return {
    rows,
    /** The position behind each transaction. */
    positions,
    merger,
    /** Reads `count` records of a partition (0: the transactions' topic), and takes what can be taken. */
    read(index: number, count = Number.POSITIVE_INFINITY): void {
      const { queue, unread } = queues[index] ?? {}
      queue?.push(unread?.splice(0, count) ?? [])
      for (;;) {
        const event = merger.next()
        if (event === null && !merger.wantsEnds) break
        if (event === null) merger.learnEnds(ends)
        else if (event.kind === 'end') {
          rows.push(`end ${event.transaction}`)
          positions.push(merger.offsets())
        } else if (event.kind === 'row') rows.push(rowIdOf(event.after))
      }
    },
    readAll(): void {
      for (const index of queues.keys()) this.read(index)
    },
  }
}

function rowIdOf(row: Row | null): string {
  const { id } = row ?? {}
  return String(id)
}

function expected(transactions: readonly Written[]): string[] {
  return transactions.flatMap(({ id, partitions }) => [
    ...partitions.map((_, index) => `${id}/${index + 1}`),
    `end ${id}`,
  ])
}

/** Transactions in commit order, whose ids are not in that order. */
const history = fc
  .array(fc.array(fc.nat(PARTITIONS - 1), { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 8 })
  .map(all =>
    all.map((partitions, index): Written => {
      const previousCommit = index === 0 ? null : index * 100
      return { id: String(900 - index), endLsn: (index + 1) * 100, previousCommit, partitions }
    }),
  )
const reads = fc.array(fc.tuple(fc.nat(PARTITIONS), fc.integer({ min: 1, max: 4 })), { maxLength: 60 })

it('invariant 3: puts transactions together in commit order, however their partitions are read', () => {
  fc.assert(
    fc.property(history, reads, (transactions, steps) => {
      const topics = new Topics()
      for (const transaction of transactions) topics.write(transaction)
      const reading = reader(topics)
      for (const [index, count] of steps) reading.read(index, count)
      reading.readAll()
      expect(reading.rows).toEqual(expected(transactions))
    }),
  )
})

it('invariant 4: goes on from the position behind any transaction', () => {
  fc.assert(
    fc.property(history, reads, (transactions, steps) => {
      const topics = new Topics()
      for (const transaction of transactions) topics.write(transaction)
      const first = reader(topics)
      for (const [index, count] of steps) first.read(index, count)
      first.readAll()
      for (const [index, position] of first.positions.entries()) {
        const second = reader(topics, transactions[index]?.endLsn, position)
        second.readAll()
        expect(second.rows).toEqual(expected(transactions.slice(index + 1)))
      }
    }),
  )
})

it('invariant 3: leaves out what a connector wrote again, at whatever point it was broken off', () => {
  fc.assert(
    fc.property(history, fc.nat(7), fc.nat(5), reads, fc.nat(7), (transactions, again, cut, steps, stop) => {
      const topics = new Topics()
      for (const transaction of transactions.slice(0, -1)) topics.write(transaction)
      const last = transactions.at(-1)
      if (last !== undefined) topics.write(last, Math.min(cut, last.partitions.length - 1))
      // Registered anew, it begins at the slot, and knows of no commit before.
      const repeated = transactions.slice(again % transactions.length)
      for (const [index, transaction] of repeated.entries()) {
        topics.write({ ...transaction, previousCommit: index === 0 ? null : transaction.previousCommit })
      }
      const reading = reader(topics)
      for (const [index, count] of steps) reading.read(index, count)
      reading.readAll()
      expect(reading.rows).toEqual(expected(transactions))
      const at = stop % transactions.length
      const second = reader(topics, transactions[at]?.endLsn, reading.positions[at])
      second.readAll()
      expect(second.rows).toEqual(expected(transactions.slice(at + 1)))
    }),
  )
})

it('invariant 3: stops where an event is missing, as soon as it cannot come any more', () => {
  const topics = new Topics()
  topics.write({ id: '1', endLsn: 100, previousCommit: null, partitions: [0, 1, 2] })
  topics.write({ id: '2', endLsn: 200, previousCommit: 100, partitions: [0, 1, 2] })
  topics.partitions[1]?.shift()
  expect(() => reader(topics).readAll()).toThrow(
    expect.objectContaining({
      code: 'FICUS_SLOT_LOST',
      message: expect.stringContaining('event 2 of 3 of transaction 1'),
    }),
  )
})

it('tells what it waits for while it may still come', () => {
  const topics = new Topics()
  topics.write({ id: '1', endLsn: 100, previousCommit: null, partitions: [0, 1] })
  const reading = reader(topics)
  expect(reading.merger.waitsFor()).toBeNull()
  reading.read(0)
  reading.read(1)
  expect(reading.merger.waitsFor()).toBe('event 2 of 2 of transaction 1')
  reading.read(2)
  expect(reading.merger.waitsFor()).toBeNull()
})
