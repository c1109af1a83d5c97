import { METHODS, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import httpProxy from '@fastify/http-proxy'
import type { EdgeConfig } from '@ficus/core/config/schema'
import { FicusError, systemCodeOf } from '@ficus/core/errors/ficus-error'
import Fastify, { type FastifyInstance } from 'fastify'
import { asksForWebSocket } from '../forward/upgrade.ts'
import type { IncomingRequest } from '../route/target.ts'

/** What becomes of requests. */
export interface RequestHandler {
  handle(request: IncomingRequest, response: ServerResponse): void
  upgrade(request: IncomingRequest, socket: Socket, head: Buffer): void
}

/** CONNECT is for proxies that tunnel; TRACE shows a client's credentials to whoever makes it ask, and is refused. */
const FORWARDED_METHODS = METHODS.filter(method => method !== 'CONNECT')

/**
 * The public listener. `@fastify/http-proxy` registers one route that takes every method and path, and its `preHandler`
 * is where our forwarder takes over for good (docs/decisions/0004-edge-forwarding.md).
 *
 * - `rewriteUrl` sends all to `/`, so Fastify's router never sees the target; it is kept in `originalUrl`.
 * - Every method counts as one without a body, so no body is ever parsed or its content type judged.
 */
export async function openGateway(monolith: string, handler: RequestHandler): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    rewriteUrl: () => '/',
    exposeHeadRoutes: false,
    return503OnClosing: false,
    clientErrorHandler: refuseConnection,
    http: { shouldUpgradeCallback: asksForWebSocket },
  })
  for (const method of FORWARDED_METHODS) app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  await app.register(httpProxy, {
    upstream: monolith,
    routes: ['/'],
    httpMethods: FORWARDED_METHODS,
    proxyPayloads: false,
    preHandler(request, reply) {
      reply.hijack()
      handler.handle(request.raw, reply.raw)
    },
  })
  // The forwarder says 100 Continue when the upstream takes the body.
  app.server.on('checkContinue', (request, response) => app.server.emit('request', request, response))
  app.server.on('upgrade', (request: IncomingRequest, _duplex, head) => handler.upgrade(request, request.socket, head))
  return app
}

/** Listens, or says whose port it is that is taken. */
export async function listenOn(
  app: FastifyInstance,
  { host, port }: EdgeConfig['listen'],
  setting: string,
): Promise<string> {
  try {
    return await app.listen({ host, port })
  } catch (error) {
    if (systemCodeOf(error) !== 'EADDRINUSE') throw error
    throw new FicusError('FICUS_PORT_TAKEN', `${setting}: something listens on ${host}:${port} already`, {
      cause: error,
    })
  }
}

/** What does not parse as HTTP. A connection on which an answer is under way is cut: it cannot carry another. */
function refuseConnection(error: ConnectionError, socket: Socket): void {
  const answering = Reflect.get(socket, '_httpMessage') != null
  if (!socket.writable || answering || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const [status, reason] = STATUS_OF[error.code] ?? [400, 'Bad Request']
  const message = `the request is not valid HTTP: ${error.message}`
  const body = JSON.stringify({ error: { code: 'FICUS_REQUEST_INVALID', message } })
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}

interface ConnectionError extends Error {
  code: string
}

const STATUS_OF: Readonly<Record<string, readonly [number, string] | undefined>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
}
