import type { Migration } from '@ficus/core/config/schema'
import { CAPABILITY, SECTIONS } from '@ficus/core/config/schema'
import type { Flags, FlagsState } from '@ficus/core/flags/flags'
import { inRollout } from '@ficus/core/flags/flags'
import { createLogger } from '@ficus/core/log/logger'
import type { Phase } from '@ficus/core/phases/phase'
import { createEdge, type Edge, type EdgeOptions } from '../edge.ts'
import { FixedSource } from '../state/fixed-source.ts'

/** Dials set by hand. */
export class HandFlags implements Flags {
  readonly name = 'flags'
  readonly rollouts = new Map<string, number>()
  readonly #synchronizedAt = new Date(0)

  constructor(rollouts: Readonly<Record<string, number>> = {}) {
    for (const [flag, percent] of Object.entries(rollouts)) this.rollouts.set(flag, percent)
  }

  isEnabled(flag: string, key: string): boolean {
    return inRollout(flag, key, this.rollouts.get(flag) ?? 0)
  }

  state(): FlagsState {
    return { provider: 'file', synchronizedAt: this.#synchronizedAt, error: null }
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
}

/** The `edge` section of a config as a person writes it. */
export type EdgeSettings = Partial<Parameters<typeof SECTIONS.edge.parse>[0] & object>

export interface TestEdgeOptions extends Partial<Omit<EdgeOptions, 'migration'>> {
  readonly monolith: string
  readonly service?: string
  readonly routes?: readonly string[]
  readonly phase?: Phase
  readonly dials?: { readonly read?: number; readonly shadow?: number }
  readonly edge?: EdgeSettings
}

export interface TestEdge extends AsyncDisposable {
  readonly url: string
  readonly managementUrl: string
  readonly edge: Edge
  readonly source: FixedSource
  readonly flags: HandFlags
}

/** Settings that the schema completes: free ports, and one capability with `GET /items/:id` and `POST /items`. */
function testMigration(options: TestEdgeOptions): Pick<Migration, 'monolith' | 'edge' | 'capabilities'> {
  const free = { host: '127.0.0.1', port: 0 }
  const nowhere = 'postgres://nobody@127.0.0.1:1/nowhere'
  return {
    monolith: SECTIONS.monolith.parse({ url: options.monolith, database: { url: nowhere } }),
    edge: SECTIONS.edge.parse({
      listen: free,
      management: free,
      cookieSecret: 'a secret of the tests',
      ...options.edge,
    }),
    capabilities: {
      catalog: CAPABILITY.parse({
        service: { url: options.service ?? options.monolith, database: { url: nowhere } },
        routes: options.routes ?? ['GET /items/:id', 'POST /items'],
        sync: './sync.ts',
      }),
    },
  }
}

/** An edge on free ports, started. */
export async function startEdge(options: TestEdgeOptions): Promise<TestEdge> {
  const { read = 0, shadow = 0 } = options.dials ?? {}
  const flags = new HandFlags({ 'ficus.catalog.read': read, 'ficus.catalog.shadow': shadow })
  const source = new FixedSource({ catalog: options.phase ?? 'canary' })
  const log = createLogger('edge', process.env.EDGE_TEST_LOG ?? 'silent')
  const edge = createEdge({ flags, source, log, reportInterval: 20, ...options, migration: testMigration(options) })
  await edge.start()
  return {
    url: edge.url,
    managementUrl: edge.managementUrl,
    edge,
    source,
    flags,
    async [Symbol.asyncDispose]() {
      await edge.stop()
    },
  }
}
