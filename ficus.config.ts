import { defineMigration, fromEnv } from '@ficus/core/config/define-migration'

// The worked example: the shop's catalog on its way out of the monolith. Every address can be set from outside; without
// any, `npm start` and `npm run ficus -- up` run all of it on this machine.

const shopDatabase = fromEnv('SHOP_DATABASE_URL', 'postgres://postgres:ficus@127.0.0.1:7432/shop')
const catalogDatabase = fromEnv('CATALOG_DATABASE_URL', 'postgres://postgres:ficus@127.0.0.1:7432/catalog')
// Contract tests empty tables: they get databases of their own.
const shopPactDatabase = fromEnv('SHOP_PACT_DATABASE_URL', 'postgres://postgres:ficus@127.0.0.1:7432/shop_pact')
const catalogPactDatabase = fromEnv(
  'CATALOG_PACT_DATABASE_URL',
  'postgres://postgres:ficus@127.0.0.1:7432/catalog_pact',
)
const adminApiKey = fromEnv('SHOP_ADMIN_API_KEY', 'dev-admin-key')

export default defineMigration({
  name: 'shop',

  monolith: {
    url: fromEnv('SHOP_URL', 'http://127.0.0.1:7100'),
    database: { url: shopDatabase },
  },
  ledger: { url: fromEnv('FICUS_LEDGER_URL', 'postgres://postgres:ficus@127.0.0.1:7432/ficus') },
  flags: {
    provider: 'unleash',
    url: fromEnv('UNLEASH_URL', 'http://127.0.0.1:7242'),
    token: fromEnv('UNLEASH_BACKEND_TOKEN', '*:development.ficus-local-backend'),
    adminToken: fromEnv('UNLEASH_ADMIN_TOKEN', '*:*.ficus-local-admin'),
    pollInterval: '1s',
  },
  edge: {
    listen: { host: fromEnv('FICUS_EDGE_HOST', '127.0.0.1'), port: fromEnv('FICUS_EDGE_PORT', '7080') },
    management: {
      host: fromEnv('FICUS_EDGE_HOST', '127.0.0.1'),
      port: fromEnv('FICUS_EDGE_MANAGEMENT_PORT', '7081'),
    },
    cookieSecret: fromEnv('FICUS_COOKIE_SECRET', 'only-for-this-machine-0123456789'),
  },
  cdc: {
    // 'postgres' reads the monolith's database itself; 'debezium' reads Kafka topics that Debezium fills.
    engine: fromEnv('FICUS_CDC_ENGINE', 'postgres'),
    management: { host: fromEnv('FICUS_SYNC_HOST', '127.0.0.1'), port: fromEnv('FICUS_SYNC_MANAGEMENT_PORT', '7082') },
    kafka: { brokers: [fromEnv('FICUS_KAFKA_BROKER', '127.0.0.1:7092')] },
    connect: { url: fromEnv('FICUS_CONNECT_URL', 'http://127.0.0.1:7083') },
  },

  capabilities: {
    catalog: {
      team: 'catalog',
      service: {
        url: fromEnv('CATALOG_URL', 'http://127.0.0.1:7110'),
        database: { url: catalogDatabase },
      },
      routes: [
        'GET /api/products',
        'GET /api/products/:id',
        'GET /api/categories',
        'GET /api/categories/:slug',
        'GET /api/brands',
        'POST /api/products',
        'PUT /api/products/:id',
        'PATCH /api/products/:id',
        'DELETE /api/products/:id',
      ],
      sync: 'extracted-services/catalog/sync.ts',
      contracts: {
        pacts: 'extracted-services/catalog/pacts',
        monolith: {
          url: 'http://127.0.0.1:7101',
          start: {
            before: [['node', 'monolith/main.ts', 'migrate']],
            command: ['node', 'monolith/main.ts', 'serve'],
            env: { DATABASE_URL: shopPactDatabase, PORT: '7101', PROVIDER_STATES: '1', LOG_LEVEL: 'warn' },
          },
        },
        service: {
          url: 'http://127.0.0.1:7111',
          start: {
            before: [['node', 'extracted-services/catalog/main.ts', 'migrate']],
            command: ['node', 'extracted-services/catalog/main.ts', 'serve'],
            env: { DATABASE_URL: catalogPactDatabase, PORT: '7111', PROVIDER_STATES: '1', LOG_LEVEL: 'warn' },
          },
        },
      },
      load: {
        requests: [
          '/api/products',
          '/api/products?page=3&per_page=50',
          '/api/products?sort=price',
          '/api/products?q=tea',
          '/api/products/1',
          '/api/products/2',
          '/api/categories',
          '/api/brands',
        ],
      },
      gates: {
        // A read may be compared while a write that one side has seen is on its way to the other: few may differ.
        shadow: { minimum: 200, maxMismatchRatio: 0.005 },
        // Everything shares one small machine here: a p99 of four slow answers among 400 says little below this.
        load: { rate: 50, duration: '5s', p99FloorMs: 250 },
      },
    },
  },

  // What `ficus up` starts on this machine, besides the edge and sync.
  local: {
    postgres: { databases: ['shop_pact', 'catalog_pact'] },
    unleash: {},
    kafka: {},
    processes: [
      {
        name: 'shop',
        before: [
          ['node', 'monolith/main.ts', 'migrate'],
          ['node', 'monolith/main.ts', 'seed', '--products', '10000', '--orders', '50000'],
        ],
        command: ['node', 'monolith/main.ts', 'serve'],
        env: { DATABASE_URL: shopDatabase, PORT: '7100', ADMIN_API_KEY: adminApiKey },
        ready: 'http://127.0.0.1:7100/ready',
      },
      {
        name: 'catalog',
        before: [['node', 'extracted-services/catalog/main.ts', 'migrate']],
        command: ['node', 'extracted-services/catalog/main.ts', 'serve'],
        env: { DATABASE_URL: catalogDatabase, PORT: '7110', ADMIN_API_KEY: adminApiKey },
        ready: 'http://127.0.0.1:7110/ready',
      },
    ],
  },
})
