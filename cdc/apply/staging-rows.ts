import { KIND, locateColumns } from '../change-source/tuple.ts'

/** A row and what is to be done with it, ready to be staged. */
export interface RowToStage {
  readonly operation: number
  /** Where the tuple begins that holds the whole row; or where each column starts, if the row is put together of several. */
  readonly starts: number | readonly number[]
}

/** COPY BINARY's header (documentation, COPY, "File Formats"): signature, no flags, no extension. */
const BINARY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const BINARY_TRAILER = Buffer.of(0xff, 0xff)
const CHUNK_BYTES = 64 * 1024
/** Up to here a loop over the bytes takes less time than a call of `copy`. */
const SHORT_BYTES = 64

/**
 * Turns rows into the data of `COPY … FROM STDIN (FORMAT binary)`: the operation as int2, then the columns. A tuple's
 * value is (kind byte, int32 length, bytes) and COPY's is (int32 length, bytes), so bytes are moved and none decoded.
 * Chunks come as they fill, so that the server can work on the first while the next is written.
 *
 * @param columns which of the tuple's columns are staged, in the staging table's order, which is the tuple's.
 */
export function* binaryRows(
  data: Buffer,
  rows: Iterable<RowToStage>,
  columns: readonly number[],
): Generator<Buffer, void> {
  const out = new ChunkWriter()
  const staged = flagsOf(columns)
  out.bytes(BINARY_HEADER, 0, BINARY_HEADER.length)
  for (const { operation, starts } of rows) {
    out.rowHead(columns.length + 1, operation)
    if (typeof starts === 'number') out.tuple(data, starts, staged)
    else for (const column of columns) out.value(data, starts[column] ?? -1)
    yield* out.full()
  }
  out.bytes(BINARY_TRAILER, 0, BINARY_TRAILER.length)
  yield* out.rest()
}

/** The same for `COPY … FROM STDIN (FORMAT text)`: tab and newline between, backslashes before what would be read as such. */
export function* textRows(
  data: Buffer,
  rows: Iterable<RowToStage>,
  columns: readonly number[],
): Generator<Buffer, void> {
  const out = new ChunkWriter()
  const located: number[] = []
  for (const { operation, starts } of rows) {
    if (typeof starts === 'number') locateColumns(data, starts, located)
    const places = typeof starts === 'number' ? located : starts
    out.ascii(String(operation))
    for (const column of columns) {
      out.byte(0x09)
      const start = places[column] ?? -1
      const kind = data[start]
      if (kind === KIND.TEXT) out.escaped(data, start + 5, start + 5 + data.readInt32BE(start + 1))
      else if (kind === KIND.BINARY) throw new TypeError('a value in binary form among those in text form')
      else out.ascii('\\N')
    }
    out.byte(0x0a)
    yield* out.full()
  }
  yield* out.rest()
}

/** For each of a tuple's columns up to the last staged one: 1 where it is staged. */
function flagsOf(columns: readonly number[]): Uint8Array {
  const flags = new Uint8Array(Math.max(-1, ...columns) + 1)
  for (const column of columns) flags[column] = 1
  return flags
}

const ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x5c, 0x5c],
  [0x08, 0x62],
  [0x09, 0x74],
  [0x0a, 0x6e],
  [0x0b, 0x76],
  [0x0c, 0x66],
  [0x0d, 0x72],
])

/** Fills chunk after chunk, so that no large buffer is ever grown and copied. */
class ChunkWriter {
  #full: Buffer[] = []
  #chunk: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #used = 0

  /** The number of COPY's fields, and the first of them: the operation as int2. */
  rowHead(fields: number, operation: number): void {
    this.#room(8)
    const chunk = this.#chunk
    let used = this.#used
    chunk[used++] = fields >> 8
    chunk[used++] = fields
    chunk[used++] = 0
    chunk[used++] = 0
    chunk[used++] = 0
    chunk[used++] = 2
    chunk[used++] = operation >> 8
    chunk[used++] = operation
    this.#used = used
  }

  /** The staged columns of the tuple at `offset`, in one pass. */
  tuple(data: Buffer, offset: number, staged: Uint8Array): void {
    const count = Math.min(data.readInt16BE(offset), staged.length)
    let at = offset + 2
    for (let column = 0; column < count; column++) {
      const kind = data[at]
      const isStaged = staged[column] === 1
      if (kind === KIND.BINARY) {
        const end = at + 5 + data.readInt32BE(at + 1)
        if (isStaged) this.bytes(data, at + 1, end)
        at = end
      } else if (kind === KIND.TEXT) {
        if (isStaged) throw new TypeError('a value in text form among binary ones')
        at += 5 + data.readInt32BE(at + 1)
      } else {
        if (isStaged) this.null()
        at += 1
      }
    }
  }

  /** The value at `start`. */
  value(data: Buffer, start: number): void {
    const kind = data[start]
    if (kind === KIND.BINARY) this.bytes(data, start + 1, start + 5 + data.readInt32BE(start + 1))
    else if (kind === KIND.TEXT) throw new TypeError('a value in text form among binary ones')
    else this.null()
  }

  null(): void {
    this.#room(4)
    this.#chunk.fill(0xff, this.#used, this.#used + 4)
    this.#used += 4
  }

  byte(value: number): void {
    this.#room(1)
    this.#chunk[this.#used++] = value
  }

  ascii(text: string): void {
    this.#room(text.length)
    this.#used += this.#chunk.write(text, this.#used, 'latin1')
  }

  bytes(source: Buffer, from: number, to: number): void {
    this.#room(to - from)
    if (to - from > SHORT_BYTES) {
      this.#used += source.copy(this.#chunk, this.#used, from, to)
      return
    }
    const chunk = this.#chunk
    let used = this.#used
    for (let at = from; at < to; at++) chunk[used++] = source[at] ?? 0
    this.#used = used
  }

  escaped(source: Buffer, from: number, to: number): void {
    this.#room((to - from) * 2)
    for (let at = from; at < to; at++) {
      const byte = source[at] ?? 0
      const letter = byte <= 0x5c ? ESCAPES.get(byte) : undefined
      if (letter === undefined) this.#chunk[this.#used++] = byte
      else {
        this.#chunk[this.#used++] = 0x5c
        this.#chunk[this.#used++] = letter
      }
    }
  }

  /** Hands out the chunks that are full. */
  full(): readonly Buffer[] {
    if (this.#full.length === 0) return NONE
    const full = this.#full
    this.#full = []
    return full
  }

  /** Hands out all that is left. */
  rest(): readonly Buffer[] {
    return [...this.full(), this.#chunk.subarray(0, this.#used)]
  }

  #room(bytes: number): void {
    if (this.#used + bytes <= this.#chunk.length) return
    this.#full.push(this.#chunk.subarray(0, this.#used))
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes))
    this.#used = 0
  }
}

const NONE: readonly Buffer[] = []
