import { KIND } from '../change-source/tuple.ts'

/** A row and what is to be done with it, ready to be staged. */
export interface RowToStage {
  readonly operation: number
  readonly starts: readonly number[]
}

/** COPY BINARY's header (documentation, COPY, "File Formats"): signature, no flags, no extension. */
const BINARY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const BINARY_TRAILER = Buffer.of(0xff, 0xff)
const CHUNK_BYTES = 64 * 1024

/**
 * Turns rows into the data of `COPY … FROM STDIN (FORMAT binary)`: the operation as int2, then the columns. A tuple's
 * value is (kind byte, int32 length, bytes) and COPY's is (int32 length, bytes), so bytes are moved and none decoded.
 *
 * @param columns which of the tuple's columns are staged, in the staging table's order.
 */
export function binaryRows(data: Buffer, rows: readonly RowToStage[], columns: readonly number[]): Buffer[] {
  const out = new ChunkWriter()
  out.bytes(BINARY_HEADER, 0, BINARY_HEADER.length)
  for (const row of rows) {
    out.int16(columns.length + 1)
    out.int32(2)
    out.int16(row.operation)
    for (const column of columns) {
      const start = row.starts[column] ?? -1
      const kind = data[start]
      if (kind === KIND.BINARY) out.bytes(data, start + 1, start + 5 + data.readInt32BE(start + 1))
      else if (kind === KIND.TEXT) throw new TypeError('a value in text form among binary ones')
      else out.int32(-1)
    }
  }
  out.bytes(BINARY_TRAILER, 0, BINARY_TRAILER.length)
  return out.finish()
}

/** The same for `COPY … FROM STDIN (FORMAT text)`: tab and newline between, backslashes before what would be read as such. */
export function textRows(data: Buffer, rows: readonly RowToStage[], columns: readonly number[]): Buffer[] {
  const out = new ChunkWriter()
  for (const row of rows) {
    out.ascii(String(row.operation))
    for (const column of columns) {
      out.byte(0x09)
      const start = row.starts[column] ?? -1
      const kind = data[start]
      if (kind === KIND.TEXT) out.escaped(data, start + 5, start + 5 + data.readInt32BE(start + 1))
      else if (kind === KIND.BINARY) throw new TypeError('a value in binary form among those in text form')
      else out.ascii('\\N')
    }
    out.byte(0x0a)
  }
  return out.finish()
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
  readonly #chunks: Buffer[] = []
  #chunk: Buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  #used = 0

  int16(value: number): void {
    this.#room(2)
    this.#used = this.#chunk.writeInt16BE(value, this.#used)
  }

  int32(value: number): void {
    this.#room(4)
    this.#used = this.#chunk.writeInt32BE(value, this.#used)
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
    this.#used += source.copy(this.#chunk, this.#used, from, to)
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

  finish(): Buffer[] {
    this.#chunks.push(this.#chunk.subarray(0, this.#used))
    return this.#chunks
  }

  #room(bytes: number): void {
    if (this.#used + bytes <= this.#chunk.length) return
    this.#chunks.push(this.#chunk.subarray(0, this.#used))
    this.#chunk = Buffer.allocUnsafe(Math.max(CHUNK_BYTES, bytes))
    this.#used = 0
  }
}
