import { DebeziumSource } from '@ficus/cdc/change-source/debezium/debezium-source'
import { slotName } from '@ficus/cdc/change-source/names'
import { parseSync } from '@ficus/cdc/mapping/parse-sync'
import { Pipeline } from '@ficus/cdc/pipeline/pipeline'
import { SECTIONS } from '@ficus/core/config/schema'
import type { SyncStatus } from '@ficus/core/ledger/records'
import { until } from '../sync/contender.ts'
import type { Servers } from './servers.ts'

const KEY = { capability: 'products', direction: 'forward', ledger: '00000000-0000-4000-8000-000000000000' } as const
const COLUMNS = ['sku', 'name_en', 'name_de', 'name_fr', 'category_id', 'price', 'currency', 'stock', 'active']
const TIMES = ['created_at', 'updated_at']

/** Both write the same table, so there is nothing to map. */
const SYNC = parseSync({
  tables: [
    {
      source: 'products',
      target: 'products',
      key: { id: 'id' },
      forward: Object.fromEntries([...COLUMNS, ...TIMES].map(column => [column, column])),
    },
  ],
})

/** Ficus with the engine `debezium` and its default settings. */
export class Ficus {
  readonly slot: string
  readonly #make: () => Pipeline
  #pipeline: Pipeline | undefined

  constructor(servers: Pick<Servers, 'brokers' | 'connectUrl'>, sourceUrl: string, targetUrl: string) {
    const cdc = SECTIONS.cdc.parse({ engine: 'debezium' })
    const { brokers, connectUrl } = servers
    this.slot = slotName(KEY, sourceUrl)
    this.#make = () =>
      new Pipeline({
        ...KEY,
        source: { url: sourceUrl, name: 'the source' },
        target: { url: targetUrl, name: 'the target' },
        sync: SYNC,
        engine: options =>
          new DebeziumSource(options, { brokers, connectUrl, topicPrefix: 'bench', topics: cdc.topics }),
        batchRows: cdc.batchRows,
        copyWorkers: 1,
      })
  }

  /** Copies what there is, then streams. */
  async start(): Promise<void> {
    this.#pipeline = this.#make()
    await this.#pipeline.start()
    await until('Ficus streams', async () => this.assertWell().state === 'streaming', { everyMs: 5 })
  }

  /** Stops reading; the connector goes on filling the topic. */
  async stop(): Promise<void> {
    await this.#pipeline?.stop()
  }

  async drop(): Promise<void> {
    await this.#pipeline?.drop()
  }

  /** @throws when it has failed or waits, with why. */
  assertWell(): SyncStatus {
    const status = this.#pipeline?.status()
    if (status === undefined || status.error !== null) throw new Error(`Ficus does not run: ${status?.error?.message}`)
    return status
  }
}
