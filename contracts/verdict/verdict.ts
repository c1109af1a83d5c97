import { type Route, routeName } from '@ficus/core/config/route'
import type { Verdict } from '@ficus/core/ledger/records'
import type { Slice } from '../slice/slice-pacts.ts'
import { interactionName, type Outcome } from '../verification/outcome.ts'

/** How both sides did on one interaction. */
export interface ComparedInteraction {
  /** `storefront: a product (given a product exists)` */
  readonly name: string
  readonly consumer: string
  readonly description: string
  readonly states: readonly string[]
  /** The route it takes, such as `GET /api/products/:id`. */
  readonly route: string
  readonly monolith: Outcome
  readonly service: Outcome
}

/** What was verified: a verdict says nothing of any other version. */
export interface ContractVersions {
  /** SHA-256 of the slice. */
  readonly pacts: string
  /** As the provider's health route says, or null where it does not. */
  readonly monolith: string | null
  readonly service: string | null
}

/** Whether a service is a drop-in for its slice of the monolith, as far as its consumers' pacts tell. */
export interface ContractVerdict {
  readonly capability: string
  /**
   * `pass`: the service passes everything that the monolith passes. `fail`: something that the monolith passes, it does
   * not. `inconclusive`: nothing was compared, or not all of it could be.
   */
  readonly verdict: Verdict
  /** ISO 8601. */
  readonly measuredAt: string
  readonly versions: ContractVersions
  readonly interactions: readonly ComparedInteraction[]
  /** Names of interactions that the monolith passes and the service fails: each is a consumer that would break. */
  readonly onlyMonolith: readonly string[]
  /** A stale pact that the service happens to honour. */
  readonly onlyService: readonly string[]
  /** Stale pacts: not even the monolith honours them. */
  readonly neither: readonly string[]
  /** Interactions that could not be compared on the monolith: a provider state that it cannot make. */
  readonly notCompared: readonly string[]
  /** Routes without an interaction that the monolith passes: nothing is known of them. */
  readonly unproven: readonly string[]
  /** Interactions of other routes, and messages: not part of this verdict. */
  readonly elsewhere: number
  readonly messages: number
}

/** What `judge` puts together. */
export interface Evidence {
  readonly capability: string
  readonly routes: readonly Route[]
  readonly slice: Slice
  readonly versions: ContractVersions
  readonly monolith: ReadonlyMap<string, Outcome>
  readonly service: ReadonlyMap<string, Outcome>
  readonly measuredAt: Date
}

const NOT_VERIFIED: Outcome = { passed: false, compared: false, reason: 'not verified' }

/** The verdict: the service passes only if what the monolith passes is a subset of what the service passes. */
export function judge({
  capability,
  routes,
  slice,
  versions,
  monolith,
  service,
  measuredAt,
}: Evidence): ContractVerdict {
  const compared = slice.interactions.map(interaction => ({
    name: interactionName(interaction.consumer, interaction.description, interaction.states),
    consumer: interaction.consumer,
    description: interaction.description,
    states: interaction.states.map(state => state.name),
    route: interaction.route,
    monolith: monolith.get(interaction.id) ?? NOT_VERIFIED,
    service: service.get(interaction.id) ?? NOT_VERIFIED,
  }))
  const namesWhere = (test: (of: { monolith: Outcome; service: Outcome }) => boolean) =>
    compared.filter(test).map(({ name }) => name)
  const honoured = compared.filter(({ monolith }) => monolith.passed)
  const proven = new Set(honoured.map(({ route }) => route))
  const onlyMonolith = namesWhere(({ monolith, service }) => monolith.passed && !service.passed)
  const notCompared = namesWhere(({ monolith }) => !monolith.compared)
  return {
    capability,
    verdict: verdictOf(onlyMonolith.length, honoured.length, notCompared.length),
    measuredAt: measuredAt.toISOString(),
    versions,
    interactions: compared,
    onlyMonolith,
    onlyService: namesWhere(({ monolith, service }) => monolith.compared && !monolith.passed && service.passed),
    neither: namesWhere(({ monolith, service }) => monolith.compared && !monolith.passed && !service.passed),
    notCompared,
    unproven: routes.map(routeName).filter(route => !proven.has(route)),
    elsewhere: slice.elsewhere,
    messages: slice.messages,
  }
}

function verdictOf(broken: number, honoured: number, notCompared: number): Verdict {
  if (broken > 0) return 'fail'
  return honoured === 0 || notCompared > 0 ? 'inconclusive' : 'pass'
}
