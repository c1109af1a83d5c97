import { createHash } from 'node:crypto'
import { type Route, routeName } from '@ficus/core/config/route'
import { RouteMatcher } from '@ficus/core/route/route-matcher'
import { strictReading } from '@ficus/core/route/strict-reading'
import type { Interaction, Pact } from '../pact/pact.ts'
import { canonicalJson } from './canonical-json.ts'

/** An interaction that a capability has to answer for. */
export interface OwnedInteraction extends Interaction {
  /** Names it within its slice. */
  readonly id: string
  readonly consumer: string
  /** The route that it takes, such as `GET /api/products/:id`. */
  readonly route: string
}

/** What one consumer asks of the capability's routes. */
export interface PactSlice {
  readonly consumer: string
  readonly provider: string
  readonly specification: string
  readonly interactions: readonly OwnedInteraction[]
}

/** The part of all consumers' pacts that goes with a capability's routes. */
export interface Slice {
  /** Consumers with at least one interaction. */
  readonly pacts: readonly PactSlice[]
  readonly interactions: readonly OwnedInteraction[]
  /** SHA-256 of what the slice asks: the same whatever order, file names and tools its pacts were written with. */
  readonly version: string
  /** The capability's routes that no interaction takes: nothing is known of them. */
  readonly unproven: readonly string[]
  /** Interactions that take other routes. */
  readonly elsewhere: number
  /** Interactions that are not spoken over HTTP, and so belong to no route. */
  readonly messages: number
}

/**
 * Chooses the interactions whose method and path take one of a capability's routes.
 * @param others routes of other capabilities: where one of them is more specific, it takes the interaction.
 */
export function slicePacts(pacts: readonly Pact[], routes: readonly Route[], others: readonly Route[] = []): Slice {
  const owned = new Set(routes)
  const entries = [...routes, ...others].map(route => ({ route }))
  const matcher = new RouteMatcher(entries, ({ route }) => route)
  const slices = pacts.map(
    ({ consumer, provider, specification, interactions }, file): PactSlice => ({
      consumer,
      provider,
      specification,
      interactions: interactions.flatMap((interaction, index) => {
        const route = matcher.find(interaction.method, strictReading(interaction.path))
        if (route === null || !owned.has(route)) return []
        return [{ ...interaction, id: `${file}-${index}`, consumer, route: routeName(route) }]
      }),
    }),
  )
  const interactions = slices.flatMap(slice => slice.interactions)
  const taken = new Set(interactions.map(({ route }) => route))
  const offered = pacts.reduce((sum, pact) => sum + pact.interactions.length, 0)
  return {
    pacts: slices.filter(slice => slice.interactions.length > 0),
    interactions,
    version: versionOf(slices),
    unproven: routes.map(routeName).filter(route => !taken.has(route)),
    elsewhere: offered - interactions.length,
    messages: pacts.reduce((sum, pact) => sum + pact.messages, 0),
  }
}

function versionOf(slices: readonly PactSlice[]): string {
  const asked = slices
    .flatMap(({ consumer, specification, interactions }) =>
      interactions.map(({ source }) => canonicalJson({ consumer, specification, interaction: source })),
    )
    .toSorted()
  return createHash('sha256').update(asked.join('\n')).digest('hex')
}
