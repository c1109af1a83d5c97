import type { Client, Connection, Submittable } from 'pg'

const COPY_DATA = 0x64
/** A message's kind and its length, which counts itself. */
const MESSAGE_HEADER = 5

/** What a replication stream tells. */
export interface ReplicationStreamEvents {
  /** What a CopyData message holds: the bytes from `start` to `end`. Copy what is to be kept before returning. */
  data(bytes: Buffer, start: number, end: number): void
  /** The stream is over, with an error unless the server ended it in order. */
  ended(error: Error | undefined): void
}

/**
 * `START_REPLICATION` as a query of pg's client: from then on both sides send CopyData (PostgreSQL documentation,
 * "Streaming Replication Protocol"). The client can do nothing else any more; ending it ends the stream.
 *
 * CopyData is read from the socket's own chunks, for the driver would make an object of each row. It gets the rest.
 */
export class ReplicationStream implements Submittable {
  readonly #sql: string
  readonly #events: ReplicationStreamEvents
  #connection: Connection | undefined
  /** A message of which the first bytes have come. */
  #partial = Buffer.alloc(0)
  #partialUsed = 0

  constructor(sql: string, events: ReplicationStreamEvents) {
    this.#sql = sql
    this.#events = events
  }

  static start(client: Client, sql: string, events: ReplicationStreamEvents): ReplicationStream {
    return client.query(new ReplicationStream(sql, events))
  }

  /** Sends a message to the server, such as a standby status update. */
  send(message: Buffer): void {
    const stream = this.#connection?.stream
    if (stream === undefined || !stream.writable) return
    const head = Buffer.allocUnsafe(5)
    head[0] = COPY_DATA
    head.writeInt32BE(message.length + 4, 1)
    stream.write(Buffer.concat([head, message]))
  }

  /** Stops reading from the socket; the server notices once the buffers between are full. */
  pause(): void {
    this.#connection?.stream.pause()
  }

  resume(): void {
    this.#connection?.stream.resume()
  }

  submit(connection: Connection): void {
    this.#connection = connection
    const { stream } = connection
    const ofDriver = stream.listeners('data')
    stream.removeAllListeners('data')
    const toDriver = (bytes: Buffer) => {
      for (const listener of ofDriver) listener.call(stream, bytes)
    }
    stream.on('data', (chunk: Buffer) => this.#read(chunk, toDriver))
    connection.query(this.#sql)
  }

  handleCommandComplete(): void {}

  handleError(error: Error): void {
    this.#events.ended(error)
  }

  handleReadyForQuery(): void {
    this.#events.ended(undefined)
  }

  /** Takes the messages of a chunk apart. One that goes on in the next chunk is put together first. */
  #read(chunk: Buffer, toDriver: (bytes: Buffer) => void): void {
    let at = 0
    while (at < chunk.length && this.#partialUsed > 0) at = this.#completePartial(chunk, at, toDriver)
    while (at + MESSAGE_HEADER <= chunk.length) {
      const end = at + 1 + chunk.readUInt32BE(at + 1)
      if (end > chunk.length) break
      this.#deliver(chunk, at, end, toDriver)
      at = end
    }
    if (at < chunk.length) this.#keepPartial(chunk, at)
  }

  #keepPartial(chunk: Buffer, at: number): void {
    const known = chunk.length - at
    const needed = known < MESSAGE_HEADER ? MESSAGE_HEADER : 1 + chunk.readUInt32BE(at + 1)
    this.#partial = Buffer.allocUnsafe(needed)
    this.#partialUsed = chunk.copy(this.#partial, 0, at)
  }

  /** @returns where the chunk goes on. */
  #completePartial(chunk: Buffer, at: number, toDriver: (bytes: Buffer) => void): number {
    const taken = chunk.copy(this.#partial, this.#partialUsed, at)
    this.#partialUsed += taken
    if (this.#partialUsed < this.#partial.length) return at + taken
    const message = this.#partial
    const needed = 1 + message.readUInt32BE(1)
    if (needed > message.length) {
      // Only now its length is known.
      this.#partial = Buffer.allocUnsafe(needed)
      message.copy(this.#partial)
    } else {
      this.#partialUsed = 0
      this.#partial = Buffer.alloc(0)
      this.#deliver(message, 0, message.length, toDriver)
    }
    return at + taken
  }

  #deliver(bytes: Buffer, start: number, end: number, toDriver: (bytes: Buffer) => void): void {
    if (bytes[start] === COPY_DATA) this.#events.data(bytes, start + MESSAGE_HEADER, end)
    else toDriver(bytes.subarray(start, end))
  }
}
