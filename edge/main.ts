import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { loadConfig } from '@ficus/core/config/load-config'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { openFlags } from '@ficus/core/flags/open-flags'
import { Lifecycle } from '@ficus/core/lifecycle/part'
import { runMain } from '@ficus/core/lifecycle/run-main'
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { createLogger } from '@ficus/core/log/logger'
import { createEdge } from './edge.ts'
import { LedgerSource } from './state/ledger-source.ts'

const HELP = `Usage: node edge/main.ts [--config ficus.config.ts] [--state-dir DIR] [--log-level info]

Puts the edge in front of the monolith and its services, until SIGTERM or Ctrl-C; a second one ends it at once.

  --config     the migration's config file                    (default: ficus.config.ts)
  --state-dir  keeps the last phases and dials for a start
               without the ledger or the flag server          (default: .ficus/edge beside the config)
  --log-level  trace, debug, info, warn, error or silent;
               debug logs every request                       (default: info)
  --help       prints this

Example: node edge/main.ts --config ficus.config.ts --log-level debug
`

/** The composition root: config -> parts -> start -> wait for the signal -> drain -> stop. Returns the exit code. */
async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const options = readArguments(args)
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }
  const { directory, migration } = await loadConfig(options.config, env)
  const log = createLogger('edge', options['log-level'])
  const stateDir = resolve(options['state-dir'] ?? join(directory, '.ficus/edge'))
  const lifecycle = new Lifecycle({
    failed: (part, step, error) => log.error({ part, reason: messageOf(error) }, `${step} failed`),
  })
  const stopped = shutdownSignal()
  const flags = await lifecycle.add(openFlags(migration.flags, { directory, stateDir, log }))
  const source = new LedgerSource(migration.ledger.url, Object.keys(migration.capabilities))
  await lifecycle.add(createEdge({ migration, flags, source, log, stateFile: join(stateDir, 'routing.json') }))
  log.info({ signal: await stopped }, 'draining')
  await lifecycle.stop()
  return 0
}

function readArguments(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        config: { type: 'string', default: 'ficus.config.ts' },
        'state-dir': { type: 'string' },
        'log-level': { type: 'string', default: 'info' },
        help: { type: 'boolean', default: false },
      },
    })
    return values
  } catch (error) {
    throw new FicusError('FICUS_USAGE', messageOf(error), { remedy: 'Run node edge/main.ts --help.' })
  }
}

await runMain(main)
