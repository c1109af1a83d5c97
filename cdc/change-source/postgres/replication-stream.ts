import type { Client, Connection, Submittable } from 'pg'

const COPY_DATA = 0x64

/** What a replication stream tells. */
export interface ReplicationStreamEvents {
  /** A CopyData message. Its bytes are the driver's: copy what is to be kept before returning. */
  data(message: Buffer): void
  /** The stream is over, with an error unless the server ended it in order. */
  ended(error: Error | undefined): void
}

/**
 * `START_REPLICATION` as a query of pg's client: from then on both sides send CopyData (PostgreSQL documentation,
 * "Streaming Replication Protocol"). The client can do nothing else any more; ending it ends the stream.
 */
export class ReplicationStream implements Submittable {
  readonly #sql: string
  readonly #events: ReplicationStreamEvents
  #connection: Connection | undefined

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
    connection.query(this.#sql)
  }

  handleCopyData(message: { readonly chunk: Buffer }): void {
    this.#events.data(message.chunk)
  }

  handleCommandComplete(): void {}

  handleError(error: Error): void {
    this.#events.ended(error)
  }

  handleReadyForQuery(): void {
    this.#events.ended(undefined)
  }
}
