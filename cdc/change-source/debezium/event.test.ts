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
  expect(readEvent(record({ status: 'BEGIN', id, event_count: null }))).toEqual({
    kind: 'begin',
    transaction: '801',
    lsn: 9223372036854775807n,
  })
  expect(readEvent(record({ status: 'BEGIN', id: '801:0' }))).toEqual({ kind: 'begin', transaction: '801', lsn: null })
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
    lsn: 5n,
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

/** As Debezium 3.7 writes it. */
const WHOLE = `{"before":null,"after":{"id":9007199254740993,"note":"x,\\"source\\":{\\"sequence\\":1}"},"source":{"version":"3.7.0.Final","connector":"postgresql","name":"ficus.c.forward.0-1","ts_ms":1795387783998,"snapshot":"false","db":"shop","sequence":"[\\"33295056\\",\\"33295256\\"]","ts_us":1795387783998123,"ts_ns":1795387783998123000,"schema":"public","table":"products","txId":758,"lsn":33295256,"xmin":null,"origin":null,"origin_lsn":null},"transaction":{"id":"758:33295256","total_order":3,"data_collection_order":2},"op":"u","ts_ms":1795387784000,"ts_us":1795387784000456,"ts_ns":1795387784000456789}`

it.each([
  ['as most are', WHOLE, {}],
  ['of the connector’s first transaction', WHOLE.replace(String.raw`[\"33295056\"`, '[null'), { previousCommit: null }],
  ['with an origin', WHOLE.replace('"origin":null', '"origin":"other"'), { origin: 'other' }],
  [
    'of a table with a quote in its name',
    WHOLE.replace('"products"', String.raw`"pro\"ducts"`),
    { table: { schema: 'public', table: 'pro"ducts' } },
  ],
])('reads an event %s', (_, text, differing) => {
  expect(readEvent(record(text))).toEqual({
    kind: 'row',
    transaction: '758',
    order: 3,
    lsn: 33295256n,
    origin: null,
    previousCommit: 33295056n,
    operation: 'update',
    table: { schema: 'public', table: 'products' },
    before: null,
    after: { id: 9007199254740993n, note: 'x,"source":{"sequence":1}' },
    keyChange: null,
    ...differing,
  })
})

it('is as fast for a text in a row that looks like the rest as for any other', () => {
  const text = WHOLE.replace('"note":"', `"note":"${String.raw`,\"source\":{`.repeat(20_000)}`)
  const started = performance.now()
  readEvent(record(text))
  expect(performance.now() - started).toBeLessThan(1_000)
})
