import { FicusError } from '@ficus/core/errors/ficus-error'
import { type FlagNames, type Flags, flagNames } from '@ficus/core/flags/flags'
import { PHASE_RULES, type Side } from '@ficus/core/phases/phase'
import type { Identifier, Identity } from '../identity/identity.ts'
import type { RouteMatch, RouteTable } from '../route/table.ts'
import { type IncomingRequest, rawTarget, readTarget } from '../route/target.ts'
import type { RoutingState } from '../state/routing-state.ts'
import { decide, type Reason } from './decide.ts'

/** What the edge does with one request. Decided once, before the first byte goes upstream. */
export interface Plan {
  /** Null where the request belongs to no capability. */
  readonly match: RouteMatch | null
  /** The capability's epoch that the decision was made on; 0 where there is none. */
  readonly epoch: number
  readonly side: Side
  readonly reason: Reason
  readonly shadow: boolean
  /** The Set-Cookie header that goes with the answer, or null. */
  readonly setCookie: string | null
}

export interface PlannerParts {
  readonly table: RouteTable
  readonly state: RoutingState
  readonly flags: Flags
  readonly identifier: Identifier
  /** From 0 up to 1. Asked once a request at most. */
  readonly random: () => number
}

const UNMATCHED: Plan = { match: null, epoch: 0, side: 'monolith', reason: 'unmatched', shadow: false, setCookie: null }

/** route -> capability -> identity -> decide(), for one request. */
export class Planner {
  readonly #parts: PlannerParts
  readonly #flags = new Map<string, FlagNames>()

  constructor(parts: PlannerParts, capabilities: readonly string[]) {
    this.#parts = parts
    for (const name of capabilities) this.#flags.set(name, flagNames(name))
  }

  /**
   * @param secure whether the client came by https.
   * @returns a promise only where a token has to be verified first.
   * @throws FICUS_REQUEST_INVALID for a target that no route can be told for.
   */
  plan(request: IncomingRequest, secure: boolean): Plan | Promise<Plan> {
    const target = readTarget(rawTarget(request))
    if (target === null) {
      throw new FicusError('FICUS_REQUEST_INVALID', 'the request target must be a path: this is a gateway, not a proxy')
    }
    const match = this.#parts.table.resolve(request.method ?? 'GET', target)
    if (match === null) return UNMATCHED
    if (match === 'ambiguous') {
      throw new FicusError(
        'FICUS_REQUEST_INVALID',
        'the path can be read as two different routes: send it without dot segments, doubled or encoded slashes',
      )
    }
    // Who the user is matters only where a dial is asked; elsewhere nobody gets a cookie.
    if (!match.isRead || PHASE_RULES[this.#parts.state.get(match.capability).phase].reads !== 'dial') {
      return this.#decide(match, null)
    }
    const identity = this.#parts.identifier.identify(request.headers, secure)
    return identity instanceof Promise
      ? identity.then(known => this.#decide(match, known))
      : this.#decide(match, identity)
  }

  #decide(match: RouteMatch, identity: Identity | null): Plan {
    const { phase, owner, epoch } = this.#parts.state.get(match.capability)
    const names = this.#flags.get(match.capability)
    const read = identity !== null && names !== undefined && this.#parts.flags.isEnabled(names.read, identity.key)
    // Users are sticky, but mirrored requests are a sample of all: the key is the request's own random value.
    const shadow =
      match.isRead &&
      PHASE_RULES[phase].shadow &&
      names !== undefined &&
      this.#parts.flags.isEnabled(names.shadow, sampleKey(this.#parts.random()))
    const decision = decide({ phase, owner, isRead: match.isRead, dials: { read, shadow } })
    return { match, epoch, ...decision, setCookie: identity?.setCookie ?? null }
  }
}

/** A request's own key for a dial: a whole number, since writing out a fraction's digits costs more than the dial does. */
function sampleKey(random: number): string {
  return String(Math.floor(random * 2 ** 31))
}
