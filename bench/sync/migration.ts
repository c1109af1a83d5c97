import { defineMigration, fromEnv } from '@ficus/core/config/define-migration'

/**
 * What a measured sync process is started with. Its engine has the default settings; there is no HTTP side.
 * @param sync the sync file, beside the config.
 */
export function benchMigration(sync: string) {
  return defineMigration({
    name: 'bench',
    monolith: { url: 'http://127.0.0.1:9', database: { url: fromEnv('BENCH_SOURCE_URL') } },
    ledger: { url: fromEnv('BENCH_LEDGER_URL') },
    flags: { provider: 'file', path: 'flags.json' },
    edge: { cookieSecret: 'sixteen characters or more' },
    cdc: { engine: 'postgres', management: { port: 0 } },
    capabilities: {
      products: {
        service: { url: 'http://127.0.0.1:9', database: { url: fromEnv('BENCH_TARGET_URL') } },
        routes: ['GET /products'],
        sync,
      },
    },
  })
}
