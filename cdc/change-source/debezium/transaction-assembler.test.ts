import { expect, it } from 'vitest'
import { BatchBuilder } from '../batch-builder.ts'
import { encodeTextTuple } from '../tuple.ts'
import type { DebeziumEvent, Row } from './event.ts'
import { Placeholder } from './placeholder.ts'
import { type Producer, ProducerRuns } from './producer-runs.ts'
import { TableReader } from './table-reader.ts'
import { TransactionAssembler } from './transaction-assembler.ts'
import { asText } from './value-text.ts'

const table = { schema: 'public', table: 't' }
const other = { schema: 'public', table: 'u' }
const column = (name: string, identity: boolean) => ({ name, type: 'text', toText: asText, identity, readBack: false })
const reader = new TableReader(
  { table, columns: [column('id', true), column('note', false)], unread: [], fullIdentity: false },
  new Set(['id', 'note']),
  new Placeholder('unchanged'),
)
const THEIRS = 'ficus_c_reverse_1'

const producerOf = (producerEpoch: number): Producer => ({ producerId: '1', producerEpoch })
const written = (offset: number, producerEpoch: number) => ({
  offset: String(offset),
  batchContext: producerOf(producerEpoch),
})

/** Knows of a producer each of whose transactions takes the next epoch. */
function ofTransactions(): ProducerRuns {
  const producers = new ProducerRuns()
  producers.learn('t:0', [written(0, 1), written(2, 2), written(4, 3), written(6, 4)])
  return producers
}

function assemble(events: Iterable<DebeziumEvent>, from = '0/0', producers = ofTransactions()) {
  const builder = new BatchBuilder(100, 1_000_000)
  let taken = 0
  const offsets = () => ({ 't:0': String(taken) })
  const assembler = new TransactionAssembler({
    name: 't',
    offsets,
    from: { lsn: from },
    ignoredOrigins: [THEIRS],
    tables: [table, other],
    producers,
    builder,
  })
  for (const event of events) {
    taken += 1
    assembler.take(event, reader)
  }
  return builder
}

const begin = (transaction: string, lsn: bigint | null = null): DebeziumEvent => ({ kind: 'begin', transaction, lsn })
const end = (transaction: string, events: number, endLsn = 0x10n): DebeziumEvent => ({
  kind: 'end',
  transaction,
  endLsn,
  time: 1_000,
  events,
})
const placed = (transaction: string, order: number, origin: string | null = null) => ({
  transaction,
  order,
  origin,
  lsn: BigInt(order),
  previousCommit: null,
})
const insert = (transaction: string, order: number, id: string, origin: string | null = null) => ({
  kind: 'row' as const,
  ...placed(transaction, order, origin),
  operation: 'insert' as const,
  table,
  before: null,
  after: { id, note: 'n' },
  keyChange: null,
})
const half = (order: number, keyChange: 'old' | 'new', row: Row): DebeziumEvent => ({
  kind: 'row',
  ...placed('1', order),
  operation: keyChange === 'old' ? 'delete' : 'insert',
  table,
  before: keyChange === 'old' ? row : null,
  after: keyChange === 'new' ? row : null,
  keyChange,
})

it('invariant 4: a batch ends at a commit, with the offset behind it', () => {
  const builder = assemble([
    begin('1'),
    insert('1', 1, 'a'),
    insert('1', 2, 'b'),
    end('1', 2, 0x1_0000_0020n),
    begin('2'),
    insert('2', 1, 'c'),
  ])
  const batch = builder.take()
  expect(batch.changes.map(change => change.kind)).toEqual(['insert', 'insert'])
  expect(batch).toMatchObject({ position: { lsn: '1/20', offsets: { 't:0': '4' } }, firstCommit: 1_000 })
})

it('makes an update of the two halves of a changed key, so that an unsent value stays unsent', () => {
  const events = [
    begin('1'),
    half(1, 'old', { id: 'a', note: null }),
    half(2, 'new', { id: 'b', note: 'unchanged' }),
    end('1', 2),
  ]
  const { changes, data } = assemble(events).take()
  const [update] = changes
  const oldTuple = encodeTextTuple(['a', null])
  expect(changes).toMatchObject([{ kind: 'update', oldTuple: 0, newTuple: oldTuple.length }])
  expect(data.subarray(update?.newTuple)).toEqual(encodeTextTuple(['b', undefined]))
})

it.each<[string, DebeziumEvent[], string[]]>([
  ['an insert follows', [insert('1', 2, 'c')], ['delete', 'insert']],
  [
    'another key changes',
    [half(2, 'old', { id: 'c', note: null }), half(3, 'new', { id: 'd', note: 'n' })],
    ['delete', 'update'],
  ],
  ['the transaction ends', [], ['delete']],
])('invariant 3: tells that the new half of a changed key does not come: %s', (_, events, kinds) => {
  const builder = assemble([
    begin('1'),
    half(1, 'old', { id: 'a', note: null }),
    ...events,
    end('1', events.length + 1),
  ])
  const batch = builder.take()
  expect(batch.changes.map(({ kind }) => kind)).toEqual(kinds)
  expect(batch.lacking).toEqual([{ table, lsn: batch.position?.lsn }])
  expect(builder.take().lacking).toBeUndefined()
})

const by = <E extends DebeziumEvent>(producerEpoch: number, event: E): E & { producer: Producer } => ({
  ...event,
  producer: producerOf(producerEpoch),
})
/** Two rows at one place. */
const copy = [by(1, insert('1', 1, 'a')), by(1, { ...insert('1', 2, 'b'), lsn: 1n })]
/** Both halves stand at one place. */
const changed = [half(1, 'old', { id: 'a', note: null }), { ...half(2, 'new', { id: 'b', note: 'n' }), lsn: 1n }]
const truncate = (order: number): DebeziumEvent => ({ kind: 'truncate', ...placed('1', order), table })

it.each<[string, DebeziumEvent[], unknown[]]>([
  ['behind one row of a COPY, the end comes', [...copy, by(1, insert('1', 3, 'c')), by(3, end('1', 3))], [table]],
  [
    'behind one row of a COPY, others come',
    [
      by(1, insert('1', 1, 'a')),
      ...copy.map(event => by(3, { ...event, order: event.order + 1, lsn: 2n })),
      end('1', 3),
    ],
    [table],
  ],
  ['within a COPY that is begun anew', [...copy, begin('1'), by(3, insert('1', 1, 'a')), by(3, end('1', 1))], [table]],
  ['behind a row that no COPY wrote', [by(1, insert('1', 1, 'a')), by(3, insert('1', 2, 'b')), end('1', 2)], []],
  ['behind one table of a TRUNCATE', [by(1, truncate(1)), by(3, end('1', 1))], [table, other]],
  [
    'among rows at one place, of which more come',
    [...copy.map((event, at) => by(1 + 2 * at, event)), by(3, end('1', 2))],
    [],
  ],
  ['behind several rows at one place', [...copy, by(3, end('1', 2))], []],
  [
    'behind a row, where a key changes',
    [...changed.map(event => by(1, event)), by(1, insert('1', 3, 'c')), by(3, end('1', 3))],
    [],
  ],
  ['nowhere', [...copy, by(2, insert('1', 3, 'c')), by(3, end('1', 3))], []],
])('invariant 3: tells what a restarted connector may have left out: %s', (_, events, lacking) => {
  const batch = assemble([begin('1'), ...events]).take()
  expect((batch.lacking ?? []).map(({ table: name }) => name)).toEqual(lacking)
})

it('invariant 3: takes any other epoch for a restart until it is known how long one lasts', () => {
  const producers = new ProducerRuns()
  const rows = [begin('1'), ...copy, by(1, insert('1', 3, 'c'))]
  const lackingOf = (events: Iterable<DebeziumEvent>) => assemble(events, '0/0', producers).take().lacking ?? []
  expect(lackingOf([...rows, by(2, end('1', 3))])).toHaveLength(1)
  producers.learn('t:0', [written(0, 1), written(1, 1), written(3, 2)])
  // It may be known before the transaction ends.
  function* known() {
    yield* [...rows, by(2, insert('1', 4, 'd'))]
    producers.learn('t:1', [written(0, 1), written(2, 3), written(4, 4)])
    yield by(2, end('1', 4))
  }
  expect(lackingOf(known())).toHaveLength(0)
  producers.learn('t:1', [written(6, 4)])
  expect(lackingOf([...rows, by(2, end('1', 3))])).toHaveLength(1)
})

it('invariant 3: leaves out what a restarted connector wrote again', () => {
  const events = [begin('1'), insert('1', 1, 'a'), begin('1'), insert('1', 1, 'a'), insert('1', 2, 'b'), end('1', 2)]
  expect(assemble(events).take().changes).toHaveLength(2)
})

it('invariant 3: leaves out transactions at or before the target’s position', () => {
  const events = [
    begin('1'),
    insert('1', 1, 'a'),
    end('1', 1, 0x10n),
    begin('2'),
    insert('2', 1, 'b'),
    end('2', 1, 0x20n),
  ]
  const { changes, data, position } = assemble(events, '0/10').take()
  expect(changes).toHaveLength(1)
  expect(data.includes('a')).toBe(false)
  expect(position?.lsn).toBe('0/20')
})

it('invariant 3: leaves out a transaction that comes a second time', () => {
  const first = [begin('1'), insert('1', 1, 'a'), end('1', 1, 0x10n)]
  expect(assemble([...first, ...first]).take().changes).toHaveLength(1)
})

it('invariant 3: takes all of a transaction that a restarted connector goes on with, counting from 1', () => {
  const goesOn = (order: number, id: string): DebeziumEvent => ({ ...insert('1', order, id), lsn: BigInt(order + 2) })
  const before = [begin('0'), end('0', 0, 0x8n), begin('1'), insert('1', 1, 'a'), insert('1', 2, 'b')]
  const after = [begin('1'), goesOn(1, 'c'), goesOn(2, 'd'), goesOn(3, 'e'), end('1', 3)]
  const idsOf = ({ data, changes }: { data: Buffer; changes: readonly unknown[] }) => {
    expect(['a', 'b', 'c', 'd', 'e'].every(id => data.includes(id))).toBe(true)
    return changes.length
  }
  expect(idsOf(assemble([...before, ...after]).take())).toBe(5)
  // Earlier ones come again, with their events or without.
  expect(idsOf(assemble([...before, begin('0'), end('0', 0, 0x8n), ...after]).take())).toBe(5)
  const again = [begin('0'), insert('0', 1, 'z'), end('0', 1, 0x8n)]
  expect(idsOf(assemble([...before, ...again, ...after]).take())).toBe(5)
  // Restarted twice.
  expect(idsOf(assemble([...before, begin('1'), goesOn(1, 'c'), begin('1'), ...resumed()]).take())).toBe(5)
  function resumed(): DebeziumEvent[] {
    return [{ ...insert('1', 1, 'd'), lsn: 4n }, { ...insert('1', 2, 'e'), lsn: 5n }, end('1', 2)]
  }
})

it('invariant 3: knows rows of one COPY, which share a place, by what they hold', () => {
  const row = (order: number, id: string): DebeziumEvent => ({ ...insert('1', order, id), lsn: 5n })
  const before = [begin('1'), row(1, 'a'), row(2, 'b')]
  const goesOn = [begin('1'), row(1, 'b'), row(2, 'c'), end('1', 2)]
  expect(assemble([...before, ...goesOn]).take().changes).toHaveLength(3)
  const whole = [begin('1'), row(1, 'a'), row(2, 'b'), row(3, 'c'), end('1', 3)]
  expect(assemble([...before, ...whole]).take().changes).toHaveLength(3)
})

it('invariant 3: notices what a connector passed over that was restarted right behind a begin', () => {
  const before = [begin('1', 0x8n), { ...insert('1', 1, 'a'), lsn: 0x8n }, end('1', 1, 0x10n)]
  const row = (lsn: bigint): DebeziumEvent => ({ ...insert('2', 1, 'b'), lsn })
  expect(assemble([...before, begin('2', 0x9n), row(0x9n), end('2', 1, 0x20n)]).take().changes).toHaveLength(2)
  expect(assemble([...before, begin('2', 0x11n), row(0x12n), end('2', 1, 0x20n)]).take().changes).toHaveLength(2)
  expect(() => assemble([...before, begin('2', 0x9n), row(0x12n)])).toThrow(
    /not all that was committed: transaction 2 begins at 0\/9, and what came of it first stands at 0\/12/,
  )
  expect(() => assemble([...before, begin('2', 0x9n), end('2', 0, 0x20n)])).toThrow(/transaction 2 begins at 0\/9/)
  // What came of it may stand right behind that commit.
  expect(() => assemble([...before, begin('2', 0x9n), row(0x10n)])).toThrow(/transaction 2 begins at 0\/9/)
})

it('invariant 3: notices a transaction that is not ended before a later one', () => {
  const events = [begin('1'), insert('1', 1, 'a'), begin('2'), insert('2', 1, 'b'), end('2', 1)]
  expect(() => assemble(events)).toThrow(/transaction 1 does not end before 2/)
})

it('invariant 3: notices a transaction that the connector passed over', () => {
  const after = (previousCommit: bigint): DebeziumEvent => ({
    kind: 'truncate',
    ...placed('3', 1),
    previousCommit,
    table,
  })
  const first = [begin('1'), insert('1', 1, 'a'), end('1', 1, 0x10n), begin('3')]
  expect(assemble([...first, after(0x10n), end('3', 1, 0x30n)]).take().changes).toHaveLength(2)
  expect(() => assemble([...first, after(0x20n)])).toThrow(
    /not all that was committed: transaction 3 follows a commit that ended at 0\/20, and the last one here at 0\/10/,
  )
  expect(() => assemble([...first, after(0x10n), end('3', 1, 0x8n)])).toThrow(
    /transaction 3 ends at 0\/8, before it begins/,
  )
})

it('invariant 5: leaves out what came from the other side, but moves on past it', () => {
  const mark: DebeziumEvent = { kind: 'message', ...placed('2', 1), prefix: 'ficus.origin', content: THEIRS }
  const events = [
    begin('1'),
    insert('1', 1, 'a', THEIRS),
    end('1', 1),
    begin('2'),
    mark,
    insert('2', 2, 'b'),
    end('2', 2, 0x20n),
  ]
  expect(assemble(events).take()).toMatchObject({ changes: [], position: { offsets: { 't:0': '7' } } })
})

it.each<[string, DebeziumEvent[]]>([
  ['an event is missing', [begin('1'), insert('1', 2, 'b')]],
  ['the last events are missing', [begin('1'), insert('1', 1, 'a'), end('1', 2)]],
  ['a transaction has no end', [begin('1'), insert('1', 1, 'a'), begin('2'), end('2', 0)]],
  ['a transaction has no beginning', [insert('1', 1, 'a')]],
  ['an end has no beginning', [end('1', 0)]],
  ['the old half of a changed key is missing', [begin('1'), half(1, 'new', { id: 'b', note: 'n' })]],
  [
    'an event’s number comes again at another place',
    [begin('1'), insert('1', 1, 'a'), { ...insert('1', 1, 'b'), lsn: 2n }],
  ],
])('invariant 3: stops where %s', (_, events) => {
  expect(() => assemble(events)).toThrow(expect.objectContaining({ code: 'FICUS_SLOT_LOST' }))
})
