import { EventEmitter } from 'node:events'
import { type ClientFeaturesResponse, type UnleashConfig, UnleashEvents } from 'unleash-client'

type Repository = NonNullable<UnleashConfig['repository']>
type Feature = ReturnType<Repository['getToggles']>[number]
type Segment = NonNullable<ReturnType<Repository['getSegment']>>

/**
 * What the Unleash client evaluates: flags that we fetched. The client's own repository stops for good after one 401,
 * slows down eleven-fold after failures and holds the process while it retries, so it is not the one that polls.
 */
export class UnleashRepository extends EventEmitter implements Repository {
  #features: ReadonlyMap<string, Feature> = new Map()
  #segments: ReadonlyMap<number, Segment> = new Map()

  /** Makes these flags, and no others, the ones in force. */
  replace(flags: ClientFeaturesResponse): void {
    this.#features = new Map(flags.features.map(feature => [feature.name, feature]))
    this.#segments = new Map((flags.segments ?? []).map(segment => [segment.id, segment]))
    this.emit(UnleashEvents.Changed, flags.features)
  }

  async start(): Promise<void> {
    this.emit(UnleashEvents.Ready)
  }

  stop(): void {
    this.removeAllListeners()
  }

  getToggle(name: string): Feature | undefined {
    return this.#features.get(name)
  }

  getToggles(): Feature[] {
    return [...this.#features.values()]
  }

  getTogglesWithSegmentData(): ReturnType<Repository['getTogglesWithSegmentData']> {
    return this.getToggles().map(({ strategies = [], ...feature }) => ({
      ...feature,
      strategies: strategies.map(({ segments = [], ...strategy }) => ({
        ...strategy,
        segments: segments.map(id => this.#segments.get(id)),
      })),
    }))
  }

  getSegment(id: number): Segment | undefined {
    return this.#segments.get(id)
  }
}

/** Whether a value has the shape that evaluation relies on: Unleash's `GET /api/client/features`. */
export function isClientFeatures(value: unknown): value is ClientFeaturesResponse {
  return isRecord(value) && Array.isArray(value.features) && value.features.every(isFeature)
}

function isFeature(value: unknown): boolean {
  if (!isRecord(value) || typeof value.name !== 'string' || typeof value.enabled !== 'boolean') return false
  return value.strategies === undefined || (Array.isArray(value.strategies) && value.strategies.every(isRecord))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
