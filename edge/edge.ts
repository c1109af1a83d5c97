import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Migration } from '@ficus/core/config/schema'
import type { Flags } from '@ficus/core/flags/flags'
import type { Part } from '@ficus/core/lifecycle/part'
import type { Logger } from '@ficus/core/log/logger'
import type { FastifyInstance } from 'fastify'
import { Planner } from './decide/planner.ts'
import type { Exchange } from './forward/exchange.ts'
import { Forwarder, type ForwarderOptions } from './forward/forwarder.ts'
import { Peers } from './forward/peer.ts'
import { Upstreams } from './forward/upstreams.ts'
import { Identifier } from './identity/identity.ts'
import { listenOn, openGateway } from './listen/gateway.ts'
import { openManagement, type Readiness } from './listen/management.ts'
import { Requests } from './listen/requests.ts'
import { logRequest } from './observe/access-log.ts'
import { UnreportedCounts } from './observe/ledger-counts.ts'
import { EdgeMetrics } from './observe/metrics.ts'
import { Reporter } from './observe/reporter.ts'
import { RouteTable } from './route/table.ts'
import { Shadow } from './shadow/shadow.ts'
import { RoutingState } from './state/routing-state.ts'
import type { StateSource } from './state/state-source.ts'

export interface EdgeOptions {
  readonly migration: Pick<Migration, 'monolith' | 'edge' | 'capabilities'>
  /** The dials; started and stopped by whoever made them. */
  readonly flags: Flags
  /** Where phases come from and counts go: `LedgerSource`, or `FixedSource` without a ledger. The edge stops it. */
  readonly source: StateSource
  readonly log: Logger
  /** Keeps the last routing state for a start without the ledger. Null: none is kept. */
  readonly stateFile?: string | null
  /** How the ledger knows this edge. Default: host and port. */
  readonly id?: string
  /** From 0 up to 1. */
  readonly random?: () => number
  /** A fresh key for a user who brought no identity. */
  readonly newKey?: () => string
  /** Milliseconds since the epoch, never going back. */
  readonly now?: () => number
  /** Milliseconds between two reports to the ledger. */
  readonly reportInterval?: number
}

/** Makes an edge; `start` lets it listen. @throws FICUS_CONFIG_INVALID where a setting cannot work. */
export function createEdge(options: EdgeOptions): Edge {
  return new Edge(options)
}

/** request -> route -> identity -> decide -> forward, then shadow and observe. */
export class Edge implements Part {
  readonly name = 'edge'
  readonly #options: EdgeOptions
  readonly #state: RoutingState
  readonly #upstreams: Upstreams
  readonly #metrics: EdgeMetrics
  readonly #counts = new UnreportedCounts()
  readonly #reporter: Reporter
  readonly #shadow: Shadow
  readonly #requests: Requests
  readonly #now: () => number
  #gateway: FastifyInstance | undefined
  #management: FastifyInstance | undefined
  #closing: Promise<void> | undefined
  #url = ''
  #managementUrl = ''
  #inFlight = 0
  #idle: (() => void) | undefined
  #draining = false
  #closed = false
  readonly #stopped = new AbortController()

  constructor(options: EdgeOptions) {
    const { migration, flags, log, random = Math.random, newKey = randomUUID } = options
    const config = migration.edge
    const names = Object.keys(migration.capabilities)
    this.#options = options
    this.#now = options.now ?? (() => performance.timeOrigin + performance.now())
    this.#state = new RoutingState(names, options.stateFile ?? null, log)
    this.#upstreams = new Upstreams(migration)
    this.#metrics = new EdgeMetrics({
      inFlight: () => this.#inFlight,
      connections: () => this.connections(),
      snapshot: () => this.#state.snapshot,
      ledgerUp: () => this.#state.health.error === null,
      flagsUp: () => flags.state().error === null,
    })
    this.#reporter = new Reporter({
      counts: this.#counts,
      about: () => this.#about(),
      report: report => options.source.report(report),
      now: this.#now,
      log,
      interval: options.reportInterval ?? 1_000,
    })
    this.#shadow = new Shadow({
      config: config.shadow,
      serviceOf: capability => this.#upstreams.shadow(capability),
      finished: (request, result) => {
        this.#metrics.shadow(request.match, result)
        this.#counts.shadow(request, result)
      },
    })
    const identifier = new Identifier({
      sources: config.identity,
      cookieSecret: config.cookieSecret,
      newKey,
      now: this.#now,
      log,
    })
    const table = new RouteTable(migration.capabilities)
    const forwarding = this.#forwarding()
    this.#requests = new Requests({
      planner: new Planner({ table, state: this.#state, flags, identifier, random }, names),
      forwarder: new Forwarder(forwarding),
      forwarding,
      peers: new Peers(config.trustProxy),
      log,
      closed: () => this.#closed,
      refused: code => this.#metrics.refused(code),
    })
  }

  /** Where users come in: `http://127.0.0.1:7080`. */
  get url(): string {
    return this.#url
  }

  /** Where `/ready`, `/health` and `/metrics` are. */
  get managementUrl(): string {
    return this.#managementUrl
  }

  /** Reads the routing state as far as it can be had, then listens. @throws FICUS_PORT_TAKEN */
  async start(signal: AbortSignal = new AbortController().signal): Promise<void> {
    const { migration, source } = this.#options
    await source.follow(this.#state)
    signal.throwIfAborted()
    this.#gateway = await openGateway(migration.monolith.url, this.#requests)
    this.#management = openManagement(this.#metrics, () => this.readiness())
    this.#url = await listenOn(this.#gateway, migration.edge.listen, 'edge.listen')
    this.#managementUrl = await listenOn(this.#management, migration.edge.management, 'edge.management')
    this.#reporter.start()
    this.#options.log.info({ url: this.#url, management: this.#managementUrl }, 'the edge listens')
  }

  /**
   * Says that it is not ready and goes on for `edge.timeouts.grace`; then accepts nothing more, lets what is under way end
   * within `edge.timeouts.drain`, and reports a last time.
   */
  async drain(): Promise<void> {
    this.#draining = true
    const { grace, drain } = this.#options.migration.edge.timeouts
    if (grace > 0) await sleep(grace, null, { signal: this.#stopped.signal }).catch(() => {})
    this.#close()
    await within(drain, Promise.all([this.#allDone(), this.#shadow.drain()]))
    await within(drain, this.#reporter.drain())
  }

  async stop(): Promise<void> {
    this.#draining = true
    this.#stopped.abort()
    this.#reporter.stop()
    this.#close()
    this.#requests.stop()
    this.#gateway?.server.closeAllConnections()
    await this.#upstreams.stop()
    await this.#closing
    await this.#options.source.stop()
    this.#management?.server.closeAllConnections()
    await this.#management?.close()
  }

  /** Connections of clients that are open. */
  connections(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    if (this.#gateway === undefined) resolve(0)
    else this.#gateway.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
    return promise
  }

  /** What `/ready` answers. */
  readiness(): Readiness {
    const flags = this.#options.flags.state()
    const ledger = this.#state.health
    const degraded: ('ledger' | 'flags')[] = []
    if (ledger.error !== null) degraded.push('ledger')
    if (flags.error !== null || flags.synchronizedAt === null) degraded.push('flags')
    const capabilities = Object.fromEntries(this.#state.snapshot)
    return { ready: !this.#draining, draining: this.#draining, degraded, ledger, flags, capabilities }
  }

  /** Lets go of the port; a connection that is open ends with its next answer. */
  #close(): void {
    this.#closed = true
    this.#closing ??= this.#gateway?.close()
  }

  #forwarding(): ForwarderOptions {
    const { maxBodyBytes, sideHeader } = this.#options.migration.edge
    return {
      maxBodyBytes,
      sideHeader,
      draining: () => this.#draining,
      now: this.#now,
      upstreamOf: plan => this.#upstreams.of(plan),
      capture: request => this.#shadow.capture(request),
      started: () => {
        this.#inFlight += 1
      },
      finished: exchange => this.#finished(exchange),
    }
  }

  #finished(exchange: Exchange): void {
    this.#inFlight -= 1
    this.#metrics.request(exchange)
    this.#counts.request(exchange, this.#now())
    const { capture } = exchange
    if (capture !== null) {
      if (exchange.error === null && !exchange.abandoned) this.#shadow.submit(capture)
      else this.#shadow.giveUp(capture)
    }
    logRequest(this.#options.log, exchange)
    if (this.#inFlight === 0) this.#idle?.()
  }

  #allDone(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#idle = resolve
    })
  }

  #about() {
    const epochs = Object.fromEntries([...this.#state.snapshot].map(([name, { epoch }]) => [name, epoch]))
    const id = this.#options.id ?? `${hostname()}:${new URL(this.#url).port}`
    return { edge: id, epochs, flags: { ...this.#options.flags.state() } }
  }
}

/** Waits for `work`, but no longer than `milliseconds`. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, milliseconds)
  await Promise.race([work, promise])
  clearTimeout(timer)
}
