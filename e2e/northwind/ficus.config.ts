import { defineMigration, fromEnv } from '@ficus/core/config/define-migration'

/** Northwind's assortment on its way into a service. */
export default defineMigration({
  name: 'northwind',
  monolith: { url: fromEnv('NORTHWIND_URL'), database: { url: fromEnv('NORTHWIND_DATABASE_URL') } },
  ledger: { url: fromEnv('NORTHWIND_LEDGER_URL') },
  flags: { provider: 'file', path: fromEnv('NORTHWIND_FLAGS') },
  edge: { cookieSecret: 'no edge runs in this migration' },
  cdc: {
    engine: fromEnv('NORTHWIND_ENGINE', 'postgres'),
    management: { port: 0 },
    kafka: { brokers: [fromEnv('NORTHWIND_KAFKA', '127.0.0.1:7092')] },
    connect: { url: fromEnv('NORTHWIND_CONNECT', 'http://127.0.0.1:7083') },
    topicPrefix: 'northwind',
  },
  capabilities: {
    assortment: {
      service: { url: fromEnv('ASSORTMENT_URL'), database: { url: fromEnv('ASSORTMENT_DATABASE_URL') } },
      routes: ['GET /articles/:id'],
      sync: 'sync.ts',
    },
  },
})
