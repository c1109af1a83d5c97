import type { Client, Connection, Submittable } from 'pg'

const COPY_DATA = 0x64
const COPY_DONE = Buffer.of(0x63, 0, 0, 0, 4)
/** After a piece smaller than this the socket is left alone for a moment: few large pieces take less time than many small. */
const SMALL_BYTES = 32 * 1024
const REST_MS = 1
/** A message's kind and its length, which counts itself but not the kind. */
const HEADER_BYTES = 5

/**
 * Runs `out` (`COPY … TO STDOUT`) and `into` (`COPY … FROM STDIN`, of the same format) and carries the data from the one
 * to the other. CopyData is the same message in both directions (PostgreSQL documentation, "COPY Operations"), so what
 * the socket brings goes on as it is; only the headers are looked at, to see where the data ends.
 *
 * @returns the number of rows.
 * @throws what either server says, or the signal's reason. Both sessions are then in the middle of the protocol: end them.
 */
export async function copyAcross(
  from: { readonly client: Client; readonly sql: string },
  to: { readonly client: Client; readonly sql: string },
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    const into = to.client.query(new CopyInto(to.sql))
    const sink = await Promise.race([into.ready, into.done, aborted.promise])
    if (typeof sink === 'number') return sink
    const out = from.client.query(new CopyOut(from.sql, sink))
    await Promise.race([out.done, into.done, aborted.promise])
    sink.write(COPY_DONE)
    return await Promise.race([into.done, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** A promise that may be rejected while nobody waits for it. */
function settlement<T>(): PromiseWithResolvers<T> {
  const settled = Promise.withResolvers<T>()
  settled.promise.catch(() => {})
  return settled
}

type Socket = Connection['stream']
type Reader = (bytes: Buffer) => void

/** What the driver does with a socket's data. Kept, for between two COPYs the socket is the driver's again. */
const drivers = new WeakMap<Socket, Reader>()

function driverOf(stream: Socket): Reader {
  const known = drivers.get(stream)
  if (known !== undefined) return known
  const listeners = stream.listeners('data')
  const driver: Reader = bytes => {
    for (const listener of listeners) listener.call(stream, bytes)
  }
  drivers.set(stream, driver)
  return driver
}

/** The `COPY … FROM STDIN`. Its data is written to the socket by whoever has it. */
class CopyInto implements Submittable {
  readonly #sql: string
  readonly #ready = settlement<Socket>()
  readonly #done = settlement<number>()
  #rows = 0

  constructor(sql: string) {
    this.#sql = sql
  }

  /** Resolves with the socket once the server takes data. */
  get ready(): Promise<Socket> {
    return this.#ready.promise
  }

  /** Resolves with the number of rows once they are stored. */
  get done(): Promise<number> {
    return this.#done.promise
  }

  submit(connection: Connection): void {
    connection.query(this.#sql)
  }

  handleCopyInResponse({ stream }: Connection): void {
    this.#ready.resolve(stream)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#rows = Number(/^COPY (\d+)/.exec(text)?.[1] ?? 0)
  }

  handleError(error: Error): void {
    this.#done.reject(error)
  }

  handleReadyForQuery(): void {
    this.#done.resolve(this.#rows)
  }
}

/** The `COPY … TO STDOUT`: while it runs, its socket's data goes to another socket and only the rest to the driver. */
class CopyOut implements Submittable {
  readonly #sql: string
  readonly #sink: Socket
  readonly #done = settlement<void>()
  #restore = () => {}
  #sinkIsFull = false
  /** What is left of the message that is being read, and whether it is data. */
  #left = 0
  #isData = false
  /** A header of which the first bytes have come. */
  #header: Buffer = Buffer.alloc(0)

  constructor(sql: string, sink: Socket) {
    this.#sql = sql
    this.#sink = sink
  }

  /** Resolves once all data is with the other socket. */
  get done(): Promise<void> {
    return this.#done.promise
  }

  submit(connection: Connection): void {
    const { stream } = connection
    const toDriver = driverOf(stream)
    const toSink: Reader = bytes => {
      if (this.#sink.write(bytes)) return
      this.#sinkIsFull = true
      stream.pause()
      this.#sink.once('drain', () => {
        this.#sinkIsFull = false
        stream.resume()
      })
    }
    const read: Reader = chunk => {
      this.#read(chunk, toSink, toDriver)
      if (!this.#isData || this.#sinkIsFull || chunk.length > SMALL_BYTES) return
      stream.pause()
      setTimeout(() => {
        if (!this.#sinkIsFull) stream.resume()
      }, REST_MS)
    }
    stream.removeAllListeners('data')
    stream.on('data', read)
    this.#restore = () => {
      stream.off('data', read)
      stream.on('data', toDriver)
    }
    connection.query(this.#sql)
  }

  handleCommandComplete(): void {}

  handleError(error: Error): void {
    this.#restore()
    this.#done.reject(error)
  }

  handleReadyForQuery(): void {
    this.#restore()
    this.#done.resolve()
  }

  /** Hands on a chunk in as few pieces as it has changes between data and other messages: almost always in one. */
  #read(chunk: Buffer, toSink: Reader, toDriver: Reader): void {
    const handOn = (bytes: Buffer) => {
      if (bytes.length > 0) (this.#isData ? toSink : toDriver)(bytes)
    }
    let from = 0
    let at = 0
    for (;;) {
      const step = Math.min(this.#left, chunk.length - at)
      at += step
      this.#left -= step
      if (at === chunk.length) break
      const missing = HEADER_BYTES - this.#header.length
      if (chunk.length - at < missing) {
        handOn(chunk.subarray(from, at))
        this.#header = Buffer.concat([this.#header, chunk.subarray(at)])
        return
      }
      if (this.#header.length > 0) {
        const header = Buffer.concat([this.#header, chunk.subarray(at, at + missing)])
        this.#header = Buffer.alloc(0)
        at += missing
        from = at
        this.#isData = header[0] === COPY_DATA
        this.#left = header.readUInt32BE(1) + 1 - HEADER_BYTES
        handOn(header)
        continue
      }
      const isData = chunk[at] === COPY_DATA
      if (isData !== this.#isData) {
        handOn(chunk.subarray(from, at))
        from = at
        this.#isData = isData
      }
      this.#left = chunk.readUInt32BE(at + 1) + 1
    }
    handOn(chunk.subarray(from))
  }
}
