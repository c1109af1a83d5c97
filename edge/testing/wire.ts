import { once } from 'node:events'
import { type IncomingMessage, type RequestOptions, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface WireAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly trailers: IncomingMessage['trailers']
  readonly body: Buffer
  readonly text: string
}

/** One request with exactly these headers and this target, over a connection of its own. Rejects on a broken answer. */
export async function send(
  url: string,
  options: RequestOptions & { readonly body?: Buffer | string } = {},
): Promise<WireAnswer> {
  const { body, ...rest } = options
  const out = request(url, { agent: false, ...rest }).on('error', () => {})
  const answered = once(out, 'response')
  out.end(body)
  const [answer] = (await answered) as [IncomingMessage]
  return readAnswer(answer)
}

export async function readAnswer(answer: IncomingMessage): Promise<WireAnswer> {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  const { statusCode: status = 0, headers, rawHeaders, trailers } = answer
  return { status, headers, rawHeaders, trailers, body, text: body.toString() }
}

/** A bare connection to a server. */
export async function open(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Writes bytes (latin1) and reads until the server ends the connection. */
export async function exchange(url: string, bytes: string): Promise<string> {
  const socket = await open(url)
  socket.write(bytes, 'latin1')
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

/** Waits until `condition` holds, and says what did not come to be. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, within = 5_000): Promise<void> {
  const end = performance.now() + within
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`did not happen within ${within} ms: ${what}`)
    await sleep(5)
  }
}
