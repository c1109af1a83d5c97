// The edge with every feature on: identity, a read dial asked for each request, the shadow, metrics, counts.
// Usage: node edge-under-test.ts PORT UPSTREAM FLAG_FILE
import { checkConfig, configInvalid } from '@ficus/core/config/load-config'
import { FileFlags } from '@ficus/core/flags/file-flags'
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { createLogger } from '@ficus/core/log/logger'
import { createEdge } from '@ficus/edge/edge'
import { FixedSource } from '@ficus/edge/state/fixed-source'

const [port, upstream, flagFile = ''] = process.argv.slice(2)
const database = 'postgres://nobody@127.0.0.1:9'
const { migration, problems } = checkConfig(
  {
    name: 'bench',
    monolith: { url: upstream, database: { url: `${database}/monolith` } },
    ledger: { url: `${database}/ledger` },
    flags: { provider: 'file', path: flagFile },
    edge: {
      listen: { port },
      management: { port: 0 },
      identity: [{ header: 'x-user-id' }, { cookie: 'uid' }],
      cookieSecret: 'sixteen characters or more',
    },
    capabilities: {
      items: {
        service: { url: upstream, database: { url: `${database}/items` } },
        routes: ['GET /api/items', 'GET /api/items/:id', 'POST /api/items'],
        sync: 'sync.ts',
      },
    },
  },
  {},
)
if (migration === null) throw configInvalid('the benchmark’s config', problems)

const log = createLogger('edge', 'warn')
const flags = new FileFlags(flagFile)
await flags.start()
const edge = createEdge({ migration, flags, source: new FixedSource({ items: 'canary' }), log })
await edge.start()
await shutdownSignal()
await edge.stop()
await flags.stop()
