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
  scratch.writeInt16BE(values.length)
  let at = 2
  for (const value of values) {
    // No character takes more than three bytes a UTF-16 unit; five come before the text.
    if (at + 5 + (value?.length ?? 0) * 3 > scratch.length) grow(at + 5 + (value?.length ?? 0) * 3)
    if (value === null || value === undefined) {
      scratch[at] = value === null ? KIND.NULL : KIND.UNCHANGED
      at += 1
      continue
    }
    const length = writeText(value, at + 5)
    scratch[at] = KIND.TEXT
    scratch.writeInt32BE(length, at + 1)
    at += 5 + length
  }
  const tuple = Buffer.from(scratch.subarray(0, at))
  if (scratch.length > LARGEST_KEPT) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  return tuple
}

const SCRATCH_BYTES = 64 * 1024
const LARGEST_KEPT = 1024 * 1024
/** Where a tuple is put together: one copy of it is made, whatever the number of its values. */
let scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

function grow(bytes: number): void {
  const larger = Buffer.allocUnsafeSlow(Math.max(bytes, scratch.length * 2))
  scratch.copy(larger)
  scratch = larger
}

/** Shorter texts are written faster here than by a call of the runtime's. */
const SHORT = 24

/** Writes a text as UTF-8. @returns its bytes. */
function writeText(text: string, at: number): number {
  if (text.length > SHORT) return scratch.write(text, at)
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 0x7f) return scratch.write(text, at)
    scratch[at + index] = code
  }
  return text.length
}
