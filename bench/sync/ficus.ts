import { fileURLToPath } from 'node:url'
import { readProgress } from '@ficus/cdc/apply/progress'
import { Ledger } from '@ficus/core/ledger/ledger'
import { type Child, startChild } from '@ficus/deploy/native/child'
import type { Databases } from './clusters.ts'
import { type Contender, LOOK, type TargetTable, type Usage, until, untilSlotIs } from './contender.ts'
import { peakMemory } from './processor-time.ts'

const CAPABILITY = 'products'
const MAIN = fileURLToPath(new URL('../../cdc/main.ts', import.meta.url))

/** What Ficus makes of the rows: a config with its sync file, and the table that it fills. */
interface Mapping {
  readonly config: URL
  readonly table: TargetTable
}

/** Renames, converts money, changes letters, adds a constant. */
const PLAIN: Mapping = {
  config: new URL('./ficus.config.ts', import.meta.url),
  table: {
    name: 'items',
    id: 'item_id',
    stock: 'in_stock',
    values: `item_id, upper(code), title, title_de, title_fr, taxon_id, price_minor, currency, in_stock, sellable, added_at, changed_at`,
  },
}

/** Gathers translations in one jsonb document besides. */
const GATHERING: Mapping = {
  config: new URL('./gathering.config.ts', import.meta.url),
  table: {
    name: 'gathered_items',
    id: 'item_id',
    stock: 'in_stock',
    values: `item_id, code, titles ->> 'en', titles ->> 'de', titles ->> 'fr', taxon_id, price_minor, currency, in_stock, sellable, added_at, changed_at`,
  },
}

export function openFicus(databases: Databases, resources: AsyncDisposableStack): Promise<Contender> {
  return open(PLAIN, databases, resources)
}

export function openGatheringFicus(databases: Databases, resources: AsyncDisposableStack): Promise<Contender> {
  return open(GATHERING, databases, resources)
}

/**
 * Ficus as a team runs it: the sync process on a config, told by the ledger what to do. The copy begins with the move
 * to `syncing`; a detached sync is a process that was stopped, an attached one a process that was started anew.
 */
async function open(
  { config, table }: Mapping,
  databases: Databases,
  resources: AsyncDisposableStack,
): Promise<Contender> {
  const { target, ledgerUrl } = databases
  const ledger = await Ledger.open(ledgerUrl, [CAPABILITY])
  let sync = await startSync(config, databases, resources)
  await sync.reaches('dropped')
  return {
    table,
    copy: async () => {
      await ledger.move({
        capability: CAPABILITY,
        epoch: 0,
        to: 'syncing',
        actor: 'bench',
        action: 'move',
        reason: null,
        evidence: {},
      })
      // Later than PostgreSQL's `copied`: the statistics of the new table are in here too.
      await until(
        'the first copy',
        async () => {
          sync.assertWell()
          const progress = await readProgress(target, { capability: CAPABILITY, direction: 'forward' })
          return progress?.state === 'streaming'
        },
        LOOK,
      )
    },
    detach: async () => {
      await sync.stop()
      await untilSlotIs('left alone', databases)
    },
    attach: async () => {
      sync = await startSync(config, databases, resources)
      await untilSlotIs('read', databases)
    },
    usage: () => sync.usage(),
    assertWell: () => sync.assertWell(),
    [Symbol.asyncDispose]: async () => {
      await sync.stop()
      await ledger.close()
      await untilSlotIs('left alone', databases)
    },
  }
}

/** A sync process. */
interface SyncProcess {
  /** @throws when sync has failed or ended, with what its log says. */
  assertWell(): void
  reaches(state: string): Promise<void>
  usage(): Promise<Usage>
  stop(): Promise<void>
}

/** Starts the sync process and returns when it is up; what it does follows from the ledger. */
async function startSync(
  config: URL,
  { sourceUrl, targetUrl, ledgerUrl }: Databases,
  resources: AsyncDisposableStack,
): Promise<SyncProcess> {
  let management = ''
  let failure: string | undefined
  let started: Child | undefined
  resources.defer(async () => started?.stop())
  const child = await startChild({
    name: 'sync',
    command: process.execPath,
    args: [MAIN, '--config', fileURLToPath(config)],
    env: { BENCH_SOURCE_URL: sourceUrl, BENCH_TARGET_URL: targetUrl, BENCH_LEDGER_URL: ledgerUrl },
    log: line => {
      management = /"management":"([^"]+)"/.exec(line)?.[1] ?? management
      if (/sync has failed|sync waits/.test(line)) failure = line
    },
  })
  started = child
  void child.ended.then(how => {
    failure ??= `it ended with ${how}`
  })
  await child.waitForLine('"management"', 30_000)
  const assertWell = () => {
    if (failure !== undefined) throw new Error(`sync does not run: ${failure}`)
  }
  const get = async (path: string) => (await fetch(`${management}${path}`)).text()
  return {
    assertWell,
    reaches: state =>
      until(
        `sync is ${state}`,
        async () => {
          assertWell()
          return (await get('/ready')).includes(`"state":"${state}"`)
        },
        { everyMs: 20 },
      ),
    usage: async () => ({
      cpuSeconds: Number(/^process_cpu_seconds_total (\S+)$/m.exec(await get('/metrics'))?.[1]),
      peakMemory: await peakMemory(child),
    }),
    stop: () => child.stop(),
  }
}
