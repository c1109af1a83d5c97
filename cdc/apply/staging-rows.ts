import { KIND, locateColumns } from '../change-source/tuple.ts'
import { CHUNK_BYTES, takeChunk } from '../database/chunk-pool.ts'

/** A row and what is to be done with it, ready to be staged. */
export interface RowToStage {
  readonly operation: number
  /** Where the tuple begins that holds the whole row; or where each column starts, if the row is put together of several. */
  readonly starts: number | readonly number[]
}

/** COPY BINARY's header (documentation, COPY, "File Formats"): signature, no flags, no extension. */
const BINARY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const BINARY_TRAILER = Buffer.of(0xff, 0xff)
/** Up to here a loop over words takes less time than a call of `copy`. */
const SHORT_BYTES = 256
/** A loop over words may write this much past the end; what comes next writes over it. */
const OVERRUN = 3

/**
 * Turns rows into the data of `COPY … FROM STDIN (FORMAT binary)`: the operation as int2, then the columns. A tuple's
 * value is (kind byte, int32 length, bytes) and COPY's is (int32 length, bytes), so bytes are moved and none decoded.
 * Chunks come as they fill, so that the server can work on the first while the next is written; whoever has sent one may
 * give it back (database/chunk-pool.ts).
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
  const source = new Source(data)
  out.bytes(new Source(BINARY_HEADER), 0, BINARY_HEADER.length)
  for (const { operation, starts } of rows) {
    out.rowHead(columns.length + 1, operation)
    if (typeof starts === 'number') out.tuple(source, starts, staged)
    else for (const column of columns) out.value(source, starts[column] ?? -1)
    yield* out.full()
  }
  out.bytes(new Source(BINARY_TRAILER), 0, BINARY_TRAILER.length)
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

/** Bytes to be read as numbers: a DataView reads four at a time, and in a fraction of what a Buffer's methods take. */
class Source {
  readonly bytes: Buffer
  readonly view: DataView

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }
}

/** Fills chunk after chunk, so that no large buffer is ever grown and copied. */
class ChunkWriter {
  #full: Buffer[] = []
  #chunk: Buffer
  #view: DataView
  #used = 0

  constructor() {
    this.#chunk = takeChunk()
    this.#view = new DataView(this.#chunk.buffer)
  }

  /** The number of COPY's fields, and the first of them: the operation as int2. */
  rowHead(fields: number, operation: number): void {
    this.#room(8)
    this.#view.setInt16(this.#used, fields)
    this.#view.setInt32(this.#used + 2, 2)
    this.#view.setInt16(this.#used + 6, operation)
    this.#used += 8
  }

  /** The staged columns of the tuple at `offset`, in one pass. */
  tuple(source: Source, offset: number, staged: Uint8Array): void {
    const { view } = source
    const count = Math.min(view.getInt16(offset), staged.length)
    let at = offset + 2
    for (let column = 0; column < count; column++) {
      const kind = view.getUint8(at)
      const isStaged = staged[column] === 1
      if (kind === KIND.BINARY) {
        const end = at + 5 + view.getInt32(at + 1)
        if (isStaged) this.bytes(source, at + 1, end)
        at = end
      } else if (kind === KIND.TEXT) {
        if (isStaged) throw new TypeError('a value in text form among binary ones')
        at += 5 + view.getInt32(at + 1)
      } else {
        if (isStaged) this.null()
        at += 1
      }
    }
  }

  /** The value at `start`. */
  value(source: Source, start: number): void {
    const kind = source.bytes[start]
    if (kind === KIND.BINARY) this.bytes(source, start + 1, start + 5 + source.view.getInt32(start + 1))
    else if (kind === KIND.TEXT) throw new TypeError('a value in text form among binary ones')
    else this.null()
  }

  /** COPY's NULL: a length of -1. */
  null(): void {
    this.#room(4)
    this.#view.setInt32(this.#used, -1)
    this.#used += 4
  }

  bytes(source: Source, from: number, to: number): void {
    const length = to - from
    if (length > CHUNK_BYTES) {
      // A large value is a chunk of its own, and not copied.
      this.#startChunk()
      this.#full.push(source.bytes.subarray(from, to))
      return
    }
    this.#room(length)
    if (length > SHORT_BYTES || to + OVERRUN > source.bytes.length || !this.#hasRoom(length + OVERRUN)) {
      this.#used += source.bytes.copy(this.#chunk, this.#used, from, to)
      return
    }
    const read = source.view
    const write = this.#view
    const shift = this.#used - from
    for (let at = from; at < to; at += 4) write.setUint32(at + shift, read.getUint32(at))
    this.#used += length
  }

  byte(value: number): void {
    this.#room(1)
    this.#chunk[this.#used++] = value
  }

  ascii(text: string): void {
    this.#room(text.length)
    this.#used += this.#chunk.write(text, this.#used, 'latin1')
  }

  escaped(source: Buffer, from: number, to: number): void {
    for (let at = from; at < to; at += CHUNK_BYTES / 2) {
      this.#escapedPiece(source, at, Math.min(to, at + CHUNK_BYTES / 2))
    }
  }

  #escapedPiece(source: Buffer, from: number, to: number): void {
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
    if (!this.#hasRoom(bytes)) this.#startChunk(bytes)
  }

  #startChunk(bytes = 0): void {
    this.#full.push(this.#chunk.subarray(0, this.#used))
    this.#chunk = bytes > CHUNK_BYTES ? Buffer.allocUnsafeSlow(bytes) : takeChunk()
    this.#view = new DataView(this.#chunk.buffer)
    this.#used = 0
  }

  #hasRoom(bytes: number): boolean {
    return this.#used + bytes <= this.#chunk.length
  }
}

const NONE: readonly Buffer[] = []
