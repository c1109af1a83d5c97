import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BatchBuilder } from '../batch-builder.ts'
import { lsnToNumber } from '../position.ts'
import { valueAt } from '../tuple.ts'
import { type CommitOrder, OnePartition } from './commit-order.ts'
import { PartitionQueue } from './partition-queue.ts'
import { Placeholder } from './placeholder.ts'
import { ProducerRuns } from './producer-runs.ts'
import { TableReader } from './table-reader.ts'
import { type Epochs, type Kill, type LoggedTransaction, writeTopics } from './testing/connector-model.ts'
import { TransactionAssembler } from './transaction-assembler.ts'
import { TransactionMerger } from './transaction-merger.ts'
import { asText } from './value-text.ts'

const PARTITIONS = 3
const FIRST = { producerId: '1', producerEpoch: 0 }
const table = { schema: 'public', table: 't' }
const columns = [{ name: 'id', type: 'text', toText: asText, identity: true, readBack: false }]
const catalog = { table, columns, unread: [], fullIdentity: false }
const reader = new TableReader(catalog, new Set(['id']), new Placeholder('unchanged'))

type Layout = 'single' | 'tables'

/**
 * Reads the topics bit by bit as `steps` say, then whole. @returns the ids in the order in which they are applied, and where
 * transactions end of which some are known not to come.
 */
function read(
  layout: Layout,
  log: readonly LoggedTransaction[],
  kills: readonly Kill[],
  steps: [number, number][],
  epochs: Epochs = 'of transactions',
) {
  const { boundaries, partitions } = writeTopics(log, kills, layout === 'single' ? 'single' : PARTITIONS, epochs)
  const queues = [boundaries, ...partitions].map((records, index) => ({
    queue: new PartitionQueue(`t:${index}`, 0n),
    unread: [...records],
  }))
  const [first, ...others] = queues.map(({ queue }) => queue)
  if (first === undefined) throw new TypeError('there is always one')
  const order: CommitOrder =
    layout === 'single'
      ? new OnePartition(first)
      : new TransactionMerger({ boundaries: first, partitions: others, reached: 0n })
  const builder = new BatchBuilder(1_000, 1_000_000)
  const producers = new ProducerRuns()
  // Of what came before: two transactions of one start.
  if (epochs === 'of starts')
    producers.learn(
      't:0',
      ['1', '3'].map(offset => ({ offset, batchContext: { ...FIRST } })),
    )
  const assembler = new TransactionAssembler({
    name: 't',
    offsets: () => order.offsets(),
    from: { lsn: '0/0' },
    ignoredOrigins: [],
    tables: [table],
    producers,
    builder,
  })
  // Markers of Kafka's come last in a partition, and are passed without a record.
  const ends = new Map(queues.map(({ queue, unread }) => [queue.partition, BigInt(unread.at(-1)?.offset ?? 0) + 2n]))
  const take = (index: number, count: number) => {
    const { queue, unread } = queues[index] ?? {}
    const records = unread?.splice(0, count) ?? []
    producers.learn(queue?.partition ?? '', records)
    queue?.push(records)
    if (queue !== undefined && unread?.length === 0) queue.readTo(ends.get(queue.partition) ?? 0n)
    for (;;) {
      const event = order.next()
      if (event !== null) assembler.take(event, reader)
      else if (order.wantsEnds) order.learnEnds(ends)
      else return
    }
  }
  for (const [index, count] of steps) take(index, count)
  for (const index of queues.keys()) take(index, Number.POSITIVE_INFINITY)
  const { changes, data, position, lacking = [] } = builder.take()
  const ids = changes.map(({ newTuple }) => String(valueAt(data, newTuple + 2)))
  return { ids, position, lacking: new Set(lacking.map(({ lsn }) => lsnToNumber(lsn ?? '0/0'))) }
}

/** A log whose transactions' changes stand at places of their own, but for those of one COPY. */
const logs = (copies: boolean) =>
  fc
    .array(fc.array(fc.tuple(fc.nat(PARTITIONS - 1), copies ? fc.boolean() : fc.constant(false)), { maxLength: 7 }), {
      minLength: 1,
      maxLength: 4,
    })
    .map(all => {
      let lsn = 10
      let previousCommit = 1
      return all.map((changes, index): LoggedTransaction => {
        const logged = changes.map(([partition, shares], at) => {
          if (at === 0 || !shares) lsn += 1
          return { id: `${index}/${at}`, lsn, partition }
        })
        lsn += 10
        const transaction = { id: String(900 - index), changes: logged, previousCommit, endLsn: lsn }
        previousCommit = lsn
        return transaction
      })
    })
const after = fc.nat(9)
const goesOn = fc.record({ after, restart: fc.constantFrom('counts on' as const, 'counts anew' as const) })
const registered = fc.record({ after, restart: fc.record({ from: fc.nat(3) }) })
const steps = fc.array(fc.tuple(fc.nat(PARTITIONS), fc.integer({ min: 1, max: 3 })), { maxLength: 40 })

describe.each<Layout>(['single', 'tables'])(
  'invariant 3: a connector that is restarted again and again: %s',
  layout => {
    const committed = (log: readonly LoggedTransaction[]) => log.flatMap(({ changes }) => changes.map(({ id }) => id))

    it('is followed, whatever its numbers, where it goes on', () => {
      fc.assert(
        fc.property(logs(false), fc.array(goesOn, { maxLength: 6 }), steps, (log, kills, some) => {
          const { ids, position } = read(layout, log, kills, some)
          expect(ids).toEqual(committed(log))
          expect(position?.lsn).toBe(`0/${(log.at(-1)?.endLsn ?? 0).toString(16).toUpperCase()}`)
        }),
        { numRuns: 300 },
      )
    })

    it('is followed where it was registered anew', () => {
      fc.assert(
        fc.property(logs(false), fc.array(registered, { maxLength: 3 }), steps, (log, kills, some) => {
          expect(read(layout, log, kills, some).ids).toEqual(committed(log))
        }),
        { numRuns: 300 },
      )
    })

    it.each<Epochs>(['of starts', 'of transactions'])(
      'never loses, doubles or moves a change: what it cannot tell ends the sync, what is left out is told; epochs %s',
      epochs => {
        fc.assert(
          fc.property(
            logs(true),
            fc.array(fc.oneof(goesOn, registered), { maxLength: 5 }),
            steps,
            (log, kills, some) => {
              const places = new Map(log.flatMap(({ changes }) => changes.map(({ id, lsn }) => [id, lsn])))
              const found = outcome(() => read(layout, log, kills, some, epochs))
              if (found === null) return
              const { ids: applied, lacking } = found
              // A COPY of which no two rows came from one place looks like any other transaction.
              const isCopy = ({ changes }: LoggedTransaction) => {
                const came = changes.filter(({ id }) => applied.includes(id)).map(({ lsn }) => lsn)
                return new Set(came).size < came.length
              }
              const told = committed(log.filter(each => lacking.has(BigInt(each.endLsn)) || !isCopy(each)))
              const whole = (ids: readonly string[]) => [...new Set([...ids, ...told])].toSorted()
              expect(whole(applied)).toEqual(whole(committed(log)))
              expect(new Set(applied).size).toBe(applied.length)
              const order = applied.map(id => places.get(id) ?? 0)
              expect(order).toEqual(order.toSorted((one, other) => one - other))
            },
          ),
          { numRuns: 1_000 },
        )
      },
    )

    it('has no table read anew where nothing is left out: nobody restarted it', () => {
      fc.assert(
        fc.property(logs(true), steps, (log, some) => {
          expect(read(layout, log, [], some).lacking).toEqual(new Set())
        }),
        { numRuns: 100 },
      )
    })
  },
)

function outcome<T>(work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    expect(error).toMatchObject({ code: 'FICUS_SLOT_LOST' })
    return null
  }
}
