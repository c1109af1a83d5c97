import fc from 'fast-check'
import { expect, it } from 'vitest'
import { KIND, locateColumns } from '../change-source/tuple.ts'
import { binaryRows } from './staging-rows.ts'

const HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const TRAILER = Buffer.of(0xff, 0xff)

/** A tuple of values in binary form: null is NULL. */
function binaryTuple(values: readonly (Uint8Array | null)[]): Buffer {
  const parts = values.map(value =>
    value === null ? Buffer.of(KIND.NULL) : Buffer.concat([Buffer.of(KIND.BINARY), int32(value.length), value]),
  )
  return Buffer.concat([int16(values.length), ...parts])
}

/** COPY's row, as the documentation describes it. */
function copyRow(operation: number, values: readonly (Uint8Array | null)[]): Buffer {
  const fields = values.map(value => (value === null ? int32(-1) : Buffer.concat([int32(value.length), value])))
  return Buffer.concat([int16(values.length + 1), int32(2), int16(operation), ...fields])
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const value = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.constantFrom(255, 256, 257, 70_000).map(length => new Uint8Array(length).fill(7)) },
  { weight: 1, arbitrary: fc.constant(null) },
)
const table = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 63 })).chain(([width, mask]) =>
  fc.record({
    staged: fc.constant(Array.from({ length: width }, (_, index) => index).filter(index => (mask >> index) & 1)),
    rows: fc.array(fc.array(value, { minLength: width, maxLength: width }), { maxLength: 30 }),
  }),
)

it.each(['whole tuples', 'columns that were located'])('binary rows hold the bytes of the staged columns: %s', form => {
  fc.assert(
    fc.property(table, fc.nat(4), ({ staged, rows }, operation) => {
      const tuples = rows.map(binaryTuple)
      const data = Buffer.concat(tuples)
      let offset = 0
      const toStage = tuples.map(tuple => {
        const starts: number[] = []
        const begin = offset
        locateColumns(data, begin, starts)
        offset += tuple.length
        return { operation, starts: form === 'whole tuples' ? begin : starts }
      })
      const wanted = rows.map(row =>
        copyRow(
          operation,
          staged.map(index => row[index] ?? null),
        ),
      )
      const got = Buffer.concat([...binaryRows(data, toStage, staged)])
      expect(got.equals(Buffer.concat([HEADER, ...wanted, TRAILER]))).toBe(true)
    }),
  )
})
