import { expect, it } from 'vitest'
import { readEvent } from './event.ts'

const record = (value: unknown, headers = {}) => ({
  offset: '7',
  headers,
  value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
})
const source = { schema: 'public', table: 'products', origin: null }
const transaction = { id: '801:44394384', total_order: 2, data_collection_order: 1 }

it('reads where a transaction begins and where its commit ends', () => {
  const id = '801:9223372036854775807'
  expect(readEvent(record({ status: 'BEGIN', id, event_count: null }))).toEqual({ kind: 'begin', transaction: '801' })
  expect(readEvent(record({ status: 'END', id, event_count: 3, ts_ms: 1795379924785 }))).toEqual({
    kind: 'end',
    transaction: '801',
    endLsn: 9223372036854775807n,
    time: 1795379924785,
    events: 3,
  })
})

it('reads a row without losing a digit', () => {
  const text = `{"before":null,"after":{"id":9007199254740993,"n":-9223372036854775808,"f":0.1},"source":{"schema":"public","table":"products","ts_ns":1795379924785665000,"origin":"other","sequence":"[\\"33295056\\",\\"33295256\\"]"},"transaction":{"id":"801:5","total_order":1},"op":"c"}`
  expect(readEvent(record(text))).toEqual({
    kind: 'row',
    transaction: '801',
    order: 1,
    origin: 'other',
    previousCommit: 33295056n,
    operation: 'insert',
    table: { schema: 'public', table: 'products' },
    before: null,
    after: { id: 9007199254740993n, n: -9223372036854775808n, f: 0.1 },
    keyChange: null,
  })
})

it('is not misled by a text that looks like the envelope', () => {
  const after = { id: 1, note: '"source":{"version":' }
  const event = readEvent(record({ before: null, after, source, transaction, op: 'u' }))
  expect(event).toMatchObject({ kind: 'row', operation: 'update', after })
})

it('knows the two halves of a changed key', () => {
  const half = (headers: object, op: string) =>
    readEvent(record({ before: { id: 1 }, after: null, source, transaction, op }, headers))
  expect(half({ '__debezium.newkey': Buffer.from('{}') }, 'd')).toMatchObject({ keyChange: 'old' })
  expect(half({ '__debezium.oldkey': Buffer.from('{}') }, 'c')).toMatchObject({ keyChange: 'new' })
  expect(half({}, 'd')).toMatchObject({ keyChange: null, operation: 'delete' })
})

it('reads truncations and logical messages, and passes over what is neither', () => {
  expect(readEvent(record({ op: 't', source, transaction }))).toMatchObject({ kind: 'truncate', order: 2 })
  const message = { prefix: 'ficus.waypoint', content: Buffer.from('hé').toString('hex') }
  expect(readEvent(record({ op: 'm', source, transaction, message }))).toMatchObject({
    kind: 'message',
    prefix: 'ficus.waypoint',
    content: 'hé',
  })
  expect(readEvent(record({ ts_ms: 5 }))).toEqual({ kind: 'other' })
  expect(readEvent({ offset: '7', value: null })).toEqual({ kind: 'other' })
})

it.each([
  ['no JSON', 'hello'],
  ['an operation of its own', { op: 'x', source, transaction }],
  ['no transaction', { op: 'c', source, transaction: null }],
])('invariant 13: names the offset of what is no event of Debezium’s: %s', (_, value) => {
  expect(() => readEvent(record(value))).toThrow(
    expect.objectContaining({ code: 'FICUS_CONNECTOR_FAILED', message: expect.stringContaining('offset 7') }),
  )
})
