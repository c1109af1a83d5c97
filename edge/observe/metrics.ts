import { PHASES } from '@ficus/core/phases/phase'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { FinishedExchange } from '../forward/exchange.ts'
import type { RouteMatch } from '../route/table.ts'
import type { ShadowResult } from '../shadow/compare.ts'
import type { RoutingSnapshot } from '../state/state-file.ts'
import { RequestCounts } from './counts.ts'
import { UpstreamSeconds } from './seconds.ts'

/** What the gauges show at the moment of a scrape. */
export interface Gauged {
  inFlight(): number
  connections(): Promise<number>
  snapshot(): RoutingSnapshot
  ledgerUp(): boolean
  flagsUp(): boolean
}

/** The capability label of requests that belong to none. */
const NONE = '-'

/** The edge's metrics for Prometheus, in a registry of their own. */
export class EdgeMetrics {
  readonly #registry = new Registry()
  readonly #requests = new RequestCounts()
  readonly #seconds = new UpstreamSeconds()
  readonly #shadow: Counter<'capability' | 'route' | 'result' | 'reason'>
  readonly #refused: Counter<'code'>

  constructor(gauged: Gauged) {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    const requests = this.#requests
    new Counter({
      name: 'ficus_edge_requests_total',
      help: 'Requests by capability, route, side, the reason for that side, and outcome (status class, none, abandoned)',
      labelNames: ['capability', 'route', 'side', 'reason', 'status'],
      registers,
      collect() {
        this.reset()
        for (const { match, side, reason, outcome, count } of requests.entries()) {
          const { capability = NONE, route = '*' } = match ?? {}
          this.inc({ capability, route, side, reason, status: outcome }, count)
        }
      },
    })
    this.#shadow = new Counter({
      name: 'ficus_edge_shadow_total',
      help: 'Mirrored requests by result; for ignored ones with the reason',
      labelNames: ['capability', 'route', 'result', 'reason'],
      registers,
    })
    this.#refused = new Counter({
      name: 'ficus_edge_refused_total',
      help: 'Requests that the edge answered itself, before any upstream, by error code',
      labelNames: ['code'],
      registers,
    })
    addGauges(gauged, registers)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** All metrics, in Prometheus's text format. */
  async text(): Promise<string> {
    return `${await this.#registry.metrics()}\n${this.#seconds.text()}`
  }

  request(exchange: FinishedExchange): void {
    this.#requests.add(exchange)
    const { match, side } = exchange.plan
    this.#seconds.add(match?.capability ?? NONE, side, exchange.milliseconds / 1_000)
  }

  refused(code: string): void {
    this.#refused.inc({ code })
  }

  shadow({ capability, route }: RouteMatch, result: ShadowResult): void {
    const reason = result.kind === 'ignored' ? result.reason : ''
    this.#shadow.inc({ capability, route, result: result.kind, reason })
  }
}

function addGauges(gauged: Gauged, registers: Registry[]): void {
  new Gauge({
    name: 'ficus_edge_in_flight',
    help: 'Requests under way',
    registers,
    collect() {
      this.set(gauged.inFlight())
    },
  })
  new Gauge({
    name: 'ficus_edge_client_connections',
    help: 'Open connections of clients',
    registers,
    async collect() {
      this.set(await gauged.connections())
    },
  })
  new Gauge({
    name: 'ficus_edge_phase',
    help: 'The phase that the edge acts on, as its place in legacy, syncing, shadowing, canary, extracted, retired',
    labelNames: ['capability'],
    registers,
    collect() {
      for (const [capability, { phase }] of gauged.snapshot()) this.set({ capability }, PHASES.indexOf(phase))
    },
  })
  new Gauge({
    name: 'ficus_edge_ledger_up',
    help: '1 while the ledger can be read',
    registers,
    collect() {
      this.set(gauged.ledgerUp() ? 1 : 0)
    },
  })
  new Gauge({
    name: 'ficus_edge_flags_up',
    help: '1 while the flags can be read',
    registers,
    collect() {
      this.set(gauged.flagsUp() ? 1 : 0)
    },
  })
}
