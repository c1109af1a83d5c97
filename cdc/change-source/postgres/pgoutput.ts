import { afterTuple } from '../tuple.ts'

/**
 * The messages of PostgreSQL's `pgoutput` plugin, protocol 2 without streaming (documentation, "Logical Replication
 * Message Formats"), inside those of streaming replication ("Streaming Replication Protocol"). Those about a row are
 * not read into objects: `rowKind` and what follows it find the row's parts in the bytes.
 */
export type PgOutputMessage =
  | { readonly tag: 'begin'; readonly finalLsn: bigint; readonly transaction: number }
  /** `end` is `endLsn` as PostgreSQL prints it. */
  | { readonly tag: 'commit'; readonly endLsn: bigint; readonly end: string; readonly time: number }
  | { readonly tag: 'origin'; readonly name: string }
  | { readonly tag: 'message'; readonly prefix: string; readonly content: string }
  | { readonly tag: 'relation'; readonly relation: RelationMessage }
  | { readonly tag: 'truncate'; readonly oids: readonly number[] }
  | { readonly tag: 'other' }

export interface RelationMessage {
  readonly oid: number
  readonly schema: string
  readonly table: string
  readonly columns: readonly RelationMessageColumn[]
}

export interface RelationMessageColumn {
  readonly name: string
  readonly typeOid: number
  /** What belongs to the type (atttypmod): a length, a precision and scale; -1 for none. */
  readonly modifier: number
  readonly identity: boolean
}

/** A CopyData of the replication stream begins with one of these. */
export const STREAM_TAG = { DATA: 0x77 /* w */, KEEPALIVE: 0x6b /* k */ } as const
/** Bytes before the plugin's message in a CopyData of tag DATA. */
export const DATA_HEADER = 25

const ROW_TAG = { INSERT: 0x49 /* I */, UPDATE: 0x55 /* U */, DELETE: 0x44 /* D */ } as const
/** Where the first tuple of a row's message begins: behind the tag, the table's OID and the tuple's own tag. */
const FIRST_TUPLE = 6
const NEW_TUPLE = 0x4e // N

/** Microseconds from 1970 to 2000, PostgreSQL's epoch. */
const POSTGRES_EPOCH = 946_684_800_000_000n

/** Whether a CopyData of tag KEEPALIVE that begins at `start` asks for a status update. */
export function asksForReply(data: Buffer, start: number): boolean {
  return data[start + 17] === 1
}

/** When the server sent the CopyData of tag DATA that begins at `start`, by its own clock, ms since 1970. */
export function sentAt(data: Buffer, start: number): number {
  return readTime(data, start + 17)
}

/** What the plugin's message at `at` does to a row, or null where it is none of these. */
export function rowKind(data: Buffer, at: number): 'insert' | 'update' | 'delete' | null {
  const tag = data[at]
  if (tag === ROW_TAG.INSERT) return 'insert'
  if (tag === ROW_TAG.UPDATE) return 'update'
  return tag === ROW_TAG.DELETE ? 'delete' : null
}

/** The table of the row's message at `at`. */
export function rowOid(data: Buffer, at: number): number {
  return data.readUInt32BE(at + 1)
}

/** Where the old tuple of the row's message at `at` begins, -1 if there is none. */
export function oldTuple(data: Buffer, at: number): number {
  const tag = data[at]
  return tag === ROW_TAG.DELETE || (tag === ROW_TAG.UPDATE && data[at + 5] !== NEW_TUPLE) ? at + FIRST_TUPLE : -1
}

/**
 * Where the new tuple begins, -1 if there is none.
 * @param old where the old one begins, or -1.
 */
export function newTuple(data: Buffer, at: number, old: number): number {
  if (data[at] === ROW_TAG.DELETE) return -1
  return old < 0 ? at + FIRST_TUPLE : afterTuple(data, old) + 1
}

/** A standby status update: everything up to `flushed` is safe at the target. */
export function standbyStatus(received: bigint, flushed: bigint, now: number, replyWanted: boolean): Buffer {
  const status = Buffer.alloc(34)
  status[0] = 0x72 // r
  status.writeBigUInt64BE(received, 1)
  status.writeBigUInt64BE(flushed, 9)
  status.writeBigUInt64BE(flushed, 17)
  status.writeBigInt64BE(BigInt(now) * 1000n - POSTGRES_EPOCH, 25)
  status[33] = replyWanted ? 1 : 0
  return status
}

/** Reads a pgoutput message that is not about a row. */
export function readPgOutput(data: Buffer): PgOutputMessage {
  switch (data[0]) {
    case 0x42 /* B */:
      return { tag: 'begin', finalLsn: data.readBigUInt64BE(1), transaction: data.readUInt32BE(17) }
    case 0x43 /* C */:
      return { tag: 'commit', endLsn: data.readBigUInt64BE(10), end: readLsn(data, 10), time: readTime(data, 18) }
    case 0x52 /* R */:
      return { tag: 'relation', relation: readRelation(data) }
    case 0x54 /* T */:
      return { tag: 'truncate', oids: readTruncated(data) }
    case 0x4f /* O */:
      return { tag: 'origin', name: new Reader(data, 9).text() }
    case 0x4d /* M */:
      {
        const reader = new Reader(data, 10)
        const prefix = reader.text()
        return { tag: 'message', prefix, content: reader.sized() }
      }
    default:
      return { tag: 'other' }
  }
}

function readRelation(data: Buffer): RelationMessage {
  const oid = data.readUInt32BE(1)
  const reader = new Reader(data, 5)
  const schema = reader.text()
  const table = reader.text()
  reader.skip(1)
  const columns = Array.from({ length: reader.int16() }, () => {
    const identity = reader.byte() === 1
    return { name: reader.text(), typeOid: reader.uint32(), modifier: reader.int32(), identity }
  })
  return { oid, schema: schema === '' ? 'pg_catalog' : schema, table, columns }
}

function readTruncated(data: Buffer): number[] {
  return Array.from({ length: data.readUInt32BE(1) }, (_, index) => data.readUInt32BE(6 + index * 4))
}

/** What `numberToLsn` makes of the number there, without it: every transaction has one. */
function readLsn(data: Buffer, at: number): string {
  return `${data.readUInt32BE(at).toString(16)}/${data.readUInt32BE(at + 4).toString(16)}`.toUpperCase()
}

/** Microseconds since 2000 as ms since 1970. Small enough to be exact, and a number takes less time than a bigint. */
function readTime(data: Buffer, at: number): number {
  const microseconds = data.readInt32BE(at) * 2 ** 32 + data.readUInt32BE(at + 4)
  return Math.floor((microseconds + Number(POSTGRES_EPOCH)) / 1000)
}

class Reader {
  readonly #data: Buffer
  #at: number

  constructor(data: Buffer, at: number) {
    this.#data = data
    this.#at = at
  }

  text(): string {
    const end = this.#data.indexOf(0, this.#at)
    const text = this.#data.toString('utf8', this.#at, end)
    this.#at = end + 1
    return text
  }

  sized(): string {
    const length = this.uint32()
    return this.#data.toString('utf8', this.#at, this.#at + length)
  }

  byte(): number {
    return this.#data[this.#at++] ?? 0
  }

  int16(): number {
    this.#at += 2
    return this.#data.readInt16BE(this.#at - 2)
  }

  int32(): number {
    this.#at += 4
    return this.#data.readInt32BE(this.#at - 4)
  }

  uint32(): number {
    this.#at += 4
    return this.#data.readUInt32BE(this.#at - 4)
  }

  skip(bytes: number): void {
    this.#at += bytes
  }
}
