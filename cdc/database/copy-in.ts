import type { Client, Connection, Submittable } from 'pg'

const COPY_DATA = 0x64
const COPY_DONE = Buffer.of(0x63, 0, 0, 0, 4)

/** One `COPY … FROM STDIN` of bytes that are in memory. A client's query, which tells when it is done. */
class CopyIn implements Submittable {
  readonly #sql: string
  readonly #chunks: readonly Buffer[]
  readonly #settle: (error?: Error) => void
  #failure: Error | undefined

  constructor(sql: string, chunks: readonly Buffer[], settle: (error?: Error) => void) {
    this.#sql = sql
    this.#chunks = chunks
    this.#settle = settle
  }

  submit(connection: Connection): void {
    connection.query(this.#sql)
  }

  handleCopyInResponse(connection: Connection): void {
    connection.stream.cork()
    for (const chunk of this.#chunks) {
      const head = Buffer.allocUnsafe(5)
      head[0] = COPY_DATA
      head.writeInt32BE(chunk.length + 4, 1)
      connection.stream.write(head)
      connection.stream.write(chunk)
    }
    connection.stream.write(COPY_DONE)
    connection.stream.uncork()
  }

  handleCommandComplete(): void {}

  handleError(error: Error): void {
    this.#failure = error
    this.#settle(error)
  }

  handleReadyForQuery(): void {
    if (this.#failure === undefined) this.#settle()
  }
}

/**
 * Runs `COPY … FROM STDIN` with `chunks` as its data. Meant for a batch that fits in memory; the chunks are written
 * without waiting for the socket.
 */
export function copyIn(client: Client, sql: string, chunks: readonly Buffer[]): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyIn(sql, chunks, error => (error === undefined ? resolve() : reject(error))))
  })
}
