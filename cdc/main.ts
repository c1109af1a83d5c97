import { parseArgs } from 'node:util'
import { loadConfig } from '@ficus/core/config/load-config'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { Lifecycle } from '@ficus/core/lifecycle/part'
import { runMain } from '@ficus/core/lifecycle/run-main'
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { createLogger } from '@ficus/core/log/logger'
import { withoutValues } from './database/without-values.ts'
import { Management } from './worker/management.ts'
import { createMetrics } from './worker/metrics.ts'
import { SyncProcess } from './worker/sync-process.ts'
import { limitYoungGeneration } from './worker/young-generation.ts'

const HELP = `Usage: node cdc/main.ts [--config ficus.config.ts] [--log-level info]

Carries the rows of every capability whose phase asks for it, until SIGTERM or Ctrl-C; a second one ends it at once.
Any number of these may run: one works, the others stand by.

  --config     the migration's config file                    (default: ficus.config.ts)
  --log-level  trace, debug, info, warn, error or silent      (default: info)
  --help       prints this

Example: node cdc/main.ts --config ficus.config.ts
`

/** The composition root: config -> parts -> start -> wait for the signal -> stop. Returns the exit code. */
async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const options = readArguments(args)
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }
  using _ = limitYoungGeneration()
  const loaded = await loadConfig(options.config, env)
  const log = createLogger('sync', options['log-level'])
  const lifecycle = new Lifecycle({
    failed: (part, step, error) => log.error({ part, reason: withoutValues(error) }, `${step} failed`),
  })
  const stopped = shutdownSignal()
  const sync = new SyncProcess(loaded, log)
  const registry = createMetrics(() => sync.statuses())
  const { management } = loaded.migration.cdc
  const server = await lifecycle.add(new Management({ ...management, registry, readiness: () => sync.readiness() }))
  await lifecycle.add(sync)
  log.info({ management: server.url }, 'sync runs')
  log.info({ signal: await stopped }, 'stopping')
  await lifecycle.stop()
  return 0
}

function readArguments(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        config: { type: 'string', default: 'ficus.config.ts' },
        'log-level': { type: 'string', default: 'info' },
        help: { type: 'boolean', default: false },
      },
    })
    return values
  } catch (error) {
    throw new FicusError('FICUS_USAGE', messageOf(error), { remedy: 'Run node cdc/main.ts --help.' })
  }
}

await runMain(main)
