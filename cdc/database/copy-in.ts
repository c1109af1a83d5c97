import type { Client, Connection, Submittable } from 'pg'
import { giveChunkBack } from './chunk-pool.ts'

const COPY_DATA = 0x64
const COPY_DONE = Buffer.of(0x63, 0, 0, 0, 4)
/** CopyFail with an empty message. */
const COPY_FAIL = Buffer.of(0x66, 0, 0, 0, 5, 0)

/** One `COPY … FROM STDIN`. A client's query, which tells when it is done. */
class CopyIn implements Submittable {
  readonly #sql: string
  readonly #chunks: Iterator<Buffer>
  readonly #settle: (error?: unknown) => void
  #failure: unknown

  constructor(sql: string, chunks: Iterable<Buffer>, settle: (error?: unknown) => void) {
    this.#sql = sql
    this.#chunks = chunks[Symbol.iterator]()
    this.#settle = settle
  }

  submit(connection: Connection): void {
    connection.query(this.#sql)
  }

  handleCopyInResponse(connection: Connection): void {
    this.#send(connection)
  }

  handleCommandComplete(): void {}

  handleError(error: Error): void {
    // What makes the chunks may have failed first; then this is only the server's answer to that.
    this.#failure ??= error
    this.#settle(this.#failure)
  }

  handleReadyForQuery(): void {
    if (this.#failure === undefined) this.#settle()
  }

  /** Sends chunks until the socket has enough, then when it has room again. After an error the server wants no more. */
  #send(connection: Connection): void {
    const { stream } = connection
    try {
      while (this.#failure === undefined) {
        const { value: chunk, done } = this.#chunks.next()
        if (done === true) {
          stream.write(COPY_DONE)
          return
        }
        const head = Buffer.allocUnsafe(5)
        head[0] = COPY_DATA
        head.writeInt32BE(chunk.length + 4, 1)
        stream.cork()
        stream.write(head)
        const hasRoom = stream.write(chunk, () => giveChunkBack(chunk))
        stream.uncork()
        if (!hasRoom && stream.writableNeedDrain) {
          stream.once('drain', () => this.#send(connection))
          return
        }
      }
    } catch (error) {
      this.#failure = error
      stream.write(COPY_FAIL)
    }
  }
}

/**
 * Runs `COPY … FROM STDIN` with `chunks` as its data; other statements without a result may stand before it. They are asked for as the socket takes them, so that the server
 * works on the first while the last are still to be made. Those of the chunk pool go back there once they are sent.
 * @throws what the server says, or what the making of a chunk throws; the session stays usable.
 */
export function copyIn(client: Client, sql: string, chunks: Iterable<Buffer>): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyIn(sql, chunks, error => (error === undefined ? resolve() : reject(error))))
  })
}
