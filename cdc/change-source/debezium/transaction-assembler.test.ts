import { expect, it } from 'vitest'
import { BatchBuilder } from '../batch-builder.ts'
import { encodeTextTuple } from '../tuple.ts'
import type { DebeziumEvent, Row } from './event.ts'
import { Placeholder } from './placeholder.ts'
import { TableReader } from './table-reader.ts'
import { TransactionAssembler } from './transaction-assembler.ts'
import { asText } from './value-text.ts'

const table = { schema: 'public', table: 't' }
const column = (name: string, identity: boolean) => ({ name, type: 'text', toText: asText, identity, readBack: false })
const reader = new TableReader(
  { table, columns: [column('id', true), column('note', false)], unread: [], fullIdentity: false },
  new Set(['id', 'note']),
  new Placeholder('unchanged'),
)
const THEIRS = 'ficus_c_reverse_1'

function assemble(events: readonly DebeziumEvent[], from = '0/0') {
  const builder = new BatchBuilder(100, 1_000_000)
  let taken = 0
  const offsets = () => ({ 't:0': String(taken) })
  const options = { name: 't', offsets, from: { lsn: from }, ignoredOrigins: [THEIRS], builder }
  const assembler = new TransactionAssembler(options)
  for (const event of events) {
    taken += 1
    assembler.take(event, reader)
  }
  return builder
}

const begin = (transaction: string): DebeziumEvent => ({ kind: 'begin', transaction })
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
  previousCommit: null,
})
const insert = (transaction: string, order: number, id: string, origin: string | null = null): DebeziumEvent => ({
  kind: 'row',
  ...placed(transaction, order, origin),
  operation: 'insert',
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
  ['a transaction has no end', [begin('1'), insert('1', 1, 'a'), begin('2')]],
  ['a transaction has no beginning', [insert('1', 1, 'a')]],
  ['an end has no beginning', [end('1', 0)]],
  ['half of a changed key is missing', [begin('1'), half(1, 'new', { id: 'b', note: 'n' })]],
])('invariant 3: stops where %s', (_, events) => {
  expect(() => assemble(events)).toThrow(expect.objectContaining({ code: 'FICUS_SLOT_LOST' }))
})
