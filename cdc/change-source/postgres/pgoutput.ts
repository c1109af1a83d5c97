/**
 * The messages of PostgreSQL's `pgoutput` plugin, protocol 2 without streaming (documentation, "Logical Replication
 * Message Formats"), inside those of streaming replication ("Streaming Replication Protocol"). Offsets of tuples are
 * relative to the message; values stay bytes.
 */
export type PgOutputMessage =
  | { readonly tag: 'begin'; readonly finalLsn: bigint; readonly transaction: number }
  | { readonly tag: 'commit'; readonly endLsn: bigint; readonly time: number }
  | { readonly tag: 'origin'; readonly name: string }
  | { readonly tag: 'message'; readonly prefix: string; readonly content: string }
  | { readonly tag: 'relation'; readonly relation: RelationMessage }
  | {
      readonly tag: 'row'
      readonly kind: 'insert' | 'update' | 'delete'
      readonly oid: number
      readonly old: number
      readonly new: number
    }
  | { readonly tag: 'truncate'; readonly oids: readonly number[] }
  | { readonly tag: 'other' }

export interface RelationMessage {
  readonly oid: number
  readonly schema: string
  readonly table: string
  readonly columns: readonly { readonly name: string; readonly typeOid: number; readonly identity: boolean }[]
}

/** What a CopyData of the replication stream holds. */
export type ReplicationMessage =
  | { readonly tag: 'keepalive'; readonly walEnd: bigint; readonly replyRequested: boolean }
  /** `offset` is where the plugin's message begins. */
  | { readonly tag: 'data'; readonly offset: number }

const XLOG_DATA_HEADER = 25
/** Microseconds from 1970 to 2000, PostgreSQL's epoch. */
const POSTGRES_EPOCH = 946_684_800_000_000n

export function readReplicationMessage(data: Buffer): ReplicationMessage | null {
  if (data[0] === 0x77 /* w */) return { tag: 'data', offset: XLOG_DATA_HEADER }
  if (data[0] === 0x6b /* k */) {
    return { tag: 'keepalive', walEnd: data.readBigUInt64BE(1), replyRequested: data[17] === 1 }
  }
  return null
}

/** A standby status update: everything up to `flushed` is safe at the target. */
export function standbyStatus(received: bigint, flushed: bigint, now: number): Buffer {
  const status = Buffer.alloc(34)
  status[0] = 0x72 // r
  status.writeBigUInt64BE(received, 1)
  status.writeBigUInt64BE(flushed, 9)
  status.writeBigUInt64BE(flushed, 17)
  status.writeBigInt64BE(BigInt(now) * 1000n - POSTGRES_EPOCH, 25)
  return status
}

/**
 * Reads one pgoutput message.
 * @param afterTuple finds the end of the tuple at an offset (change-source/tuple.ts).
 */
export function readPgOutput(data: Buffer, afterTuple: (data: Buffer, offset: number) => number): PgOutputMessage {
  switch (data[0]) {
    case 0x49 /* I */:
      return { tag: 'row', kind: 'insert', oid: data.readUInt32BE(1), old: -1, new: 6 }
    case 0x55 /* U */:
      {
        const oid = data.readUInt32BE(1)
        if (data[5] === 0x4e /* N */) return { tag: 'row', kind: 'update', oid, old: -1, new: 6 }
        return { tag: 'row', kind: 'update', oid, old: 6, new: afterTuple(data, 6) + 1 }
      }
    case 0x44 /* D */:
      return { tag: 'row', kind: 'delete', oid: data.readUInt32BE(1), old: 6, new: -1 }
    case 0x42 /* B */:
      return { tag: 'begin', finalLsn: data.readBigUInt64BE(1), transaction: data.readUInt32BE(17) }
    case 0x43 /* C */:
      return { tag: 'commit', endLsn: data.readBigUInt64BE(10), time: toMilliseconds(data.readBigInt64BE(18)) }
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
    const column = { name: reader.text(), typeOid: reader.uint32(), identity }
    reader.skip(4)
    return column
  })
  return { oid, schema: schema === '' ? 'pg_catalog' : schema, table, columns }
}

function readTruncated(data: Buffer): number[] {
  return Array.from({ length: data.readUInt32BE(1) }, (_, index) => data.readUInt32BE(6 + index * 4))
}

function toMilliseconds(microseconds: bigint): number {
  return Number((microseconds + POSTGRES_EPOCH) / 1000n)
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

  uint32(): number {
    this.#at += 4
    return this.#data.readUInt32BE(this.#at - 4)
  }

  skip(bytes: number): void {
    this.#at += bytes
  }
}
