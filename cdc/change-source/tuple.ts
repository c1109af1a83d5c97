/**
 * A row as logical replication sends it (PostgreSQL documentation, "Logical Replication Message Formats", TupleData):
 * int16 number of columns, then for each column a kind byte and, for a value, int32 length and bytes. Both engines
 * deliver rows in this layout; nothing decodes a value on its way.
 */
export const KIND = {
  /** SQL NULL. */
  NULL: 0x6e,
  /** A TOASTed value that the change did not touch, and so did not send. */
  UNCHANGED: 0x75,
  /** A value in text form. */
  TEXT: 0x74,
  /** A value in binary form. */
  BINARY: 0x62,
} as const

/**
 * Finds the columns of the tuple at `offset`: `starts[i]` becomes the position of column i's kind byte.
 * @returns the position after the tuple.
 */
export function locateColumns(data: Buffer, offset: number, starts: number[]): number {
  const count = data.readInt16BE(offset)
  let at = offset + 2
  starts.length = count
  for (let index = 0; index < count; index++) {
    starts[index] = at
    at = afterColumn(data, at)
  }
  return at
}

/** The position after the tuple at `offset`. */
export function afterTuple(data: Buffer, offset: number): number {
  const count = data.readInt16BE(offset)
  let at = offset + 2
  for (let index = 0; index < count; index++) at = afterColumn(data, at)
  return at
}

/** The position after the column whose kind byte is at `at`. */
export function afterColumn(data: Buffer, at: number): number {
  const kind = data[at]
  return kind === KIND.BINARY || kind === KIND.TEXT ? at + 5 + data.readInt32BE(at + 1) : at + 1
}

/** The bytes of the value at `at`, or null for NULL. An unsent value must have been dealt with before. */
export function valueAt(data: Buffer, at: number): Buffer | null {
  const kind = data[at]
  return kind === KIND.BINARY || kind === KIND.TEXT ? data.subarray(at + 5, afterColumn(data, at)) : null
}

/** A tuple of values in text form: null is NULL, undefined a value that was not sent. */
export function encodeTextTuple(values: readonly (string | null | undefined)[]): Buffer {
  const parts: Buffer[] = [Buffer.alloc(2)]
  parts[0]?.writeInt16BE(values.length)
  for (const value of values) {
    if (value === null) parts.push(Buffer.of(KIND.NULL))
    else if (value === undefined) parts.push(Buffer.of(KIND.UNCHANGED))
    else {
      const bytes = Buffer.from(value)
      const head = Buffer.allocUnsafe(5)
      head[0] = KIND.TEXT
      head.writeInt32BE(bytes.length, 1)
      parts.push(head, bytes)
    }
  }
  return Buffer.concat(parts)
}
