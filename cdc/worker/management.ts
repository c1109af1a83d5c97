import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import type { Part } from '@ficus/core/lifecycle/part'
import type { Registry } from 'prom-client'
import type { SyncReadiness } from './sync-process.ts'

export interface ManagementOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly registry: Registry
  readonly readiness: () => SyncReadiness
}

/** `/health`, `/ready` and `/metrics` of the sync process. */
export class Management implements Part {
  readonly name = 'management'
  readonly #options: ManagementOptions
  readonly #server: Server

  constructor(options: ManagementOptions) {
    this.#options = options
    this.#server = createServer((request, response) => {
      this.#answer(request.url ?? '/').then(
        ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
        error => response.writeHead(500, { 'content-type': 'text/plain' }).end(messageOf(error)),
      )
    })
  }

  /** Where it listens. */
  get url(): string {
    const address = this.#server.address()
    const port = typeof address === 'object' && address !== null ? address.port : this.#options.port
    return `http://${this.#options.host}:${port}`
  }

  /** @throws FICUS_PORT_TAKEN */
  async start(): Promise<void> {
    const { host, port } = this.#options
    this.#server.listen(port, host)
    try {
      await once(this.#server, 'listening')
    } catch (error) {
      if (systemCodeOf(error) !== 'EADDRINUSE') throw error
      throw new FicusError('FICUS_PORT_TAKEN', `sync cannot listen on ${host}:${port}: something else does`, {
        cause: error,
        remedy: 'Stop what listens there, or set cdc.management.port in ficus.config.ts.',
      })
    }
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  async #answer(url: string): Promise<{ status: number; type: string; body: string }> {
    const { registry, readiness } = this.#options
    const path = url.split('?')[0]
    if (path === '/health') return json(200, { status: 'ok' })
    if (path === '/metrics') return { status: 200, type: registry.contentType, body: await registry.metrics() }
    if (path !== '/ready') return json(404, { error: 'There are /health, /ready and /metrics.' })
    const state = readiness()
    return json(state.ready ? 200 : 503, state)
  }
}

function json(status: number, body: unknown): { status: number; type: string; body: string } {
  return { status, type: 'application/json', body: JSON.stringify(body) }
}
