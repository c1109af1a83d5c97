import { z } from 'zod'
import { parseDuration } from './duration.ts'
import type { FromEnv } from './environment.ts'
import { parseRoute, type Route } from './route.ts'

const httpUrl = z
  .string()
  .refine(text => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), {
    error: 'must be an http(s) address',
    abort: true,
  })
  .refine(text => `${new URL(text).username}${new URL(text).password}` === '', 'must hold no user and no password')
  .transform(text => text.replace(/\/+$/, ''))

const databaseUrl = z
  .string()
  .refine(
    text => URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol) && new URL(text).pathname.length > 1,
    'must be a PostgreSQL address with a database: postgres://user:password@host:5432/database',
  )

/** The message of a union that nothing in it fits. */
const notA = (what: string) => ({
  error: (issue: { readonly input?: unknown }) => `${JSON.stringify(issue.input)} is not ${what}`,
})

/** A number, or the text of one, since that is what an environment variable holds. */
const numeric = (range: z.ZodNumber) =>
  z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^-?\d+(\.\d+)?$/)
          .transform(Number),
      ],
      notA('a number'),
    )
    .pipe(range)

const port = numeric(z.number().int().min(0).max(65_535))
const positiveInteger = numeric(z.number().int().positive())

/** Yes or no, or the text of it. */
const flag = z.union([z.boolean(), z.stringbool({ truthy: ['true'], falsy: ['false'] })], notA('true or false'))

/** Milliseconds, written as `250ms`, `20s`, `15m`. */
const duration = z
  .union([z.string(), z.number()], notA("a duration, such as '250ms' or '20s'"))
  .transform((text, context) => {
    const milliseconds = parseDuration(text)
    if (milliseconds === null) {
      context.addIssue({ code: 'custom', message: notA("a duration, such as '250ms' or '20s'").error({ input: text }) })
      return z.NEVER
    }
    return milliseconds
  })

const listen = (defaultPort: number) =>
  z.strictObject({ host: z.string().default('127.0.0.1'), port: port.default(defaultPort) }).prefault({})

const path = z.string().startsWith('/', 'must start with /')

const command = z.array(z.string()).min(1, 'must name a program')
const environment = z.record(z.string(), z.string()).default({})

const database = z.strictObject({ url: databaseUrl })

const monolith = z.strictObject({
  url: httpUrl,
  database,
  /** Answers 200 while the process lives; its JSON may hold `version`. */
  health: path.default('/health'),
})

const flags = z.discriminatedUnion('provider', [
  z.strictObject({
    provider: z.literal('unleash'),
    /** The server's address without `/api`. */
    url: httpUrl,
    /** A backend (client) token: reads dials. */
    token: z.string().min(1),
    /** An admin token: `ficus route` and `ficus check` need it; the edge does not. */
    adminToken: z.string().min(1).optional(),
    project: z.string().default('default'),
    environment: z.string().default('development'),
    pollInterval: duration.default(1_000),
  }),
  z.strictObject({
    provider: z.literal('file'),
    /** JSON: flag name -> percentage. Relative to the config file. */
    path: z.string().min(1),
  }),
])

const identitySource = z.union(
  [
    z.strictObject({ header: z.string().min(1) }),
    z.strictObject({ cookie: z.string().min(1) }),
    z
      .strictObject({
        /** A claim of a bearer token. The signature is checked: give the key set's address or a shared secret. */
        jwtClaim: z.string().min(1),
        header: z.string().default('authorization'),
        jwks: httpUrl.optional(),
        secret: z.string().min(1).optional(),
      })
      .refine(
        ({ jwks, secret }) => (jwks === undefined) !== (secret === undefined),
        'needs either jwks or secret, so that the token’s signature can be checked',
      ),
  ],
  // Without the value, which may hold a secret.
  'must be { header }, { cookie } or { jwtClaim, jwks | secret }',
)

const edge = z.strictObject({
  listen: listen(7080),
  /** Metrics and readiness have a listener of their own, so that they never hide a path of the monolith. */
  management: listen(7081),
  /** Where a user's stable key comes from, in order; the edge's own cookie is the last resort. */
  identity: z.array(identitySource).default([]),
  /** Signs the edge's own cookies. The same on all edges. */
  cookieSecret: z.string().min(16, 'must have 16 characters or more'),
  /** Addresses of proxies whose X-Forwarded-* headers are believed. */
  trustProxy: z.array(z.string()).default([]),
  /** Whether answers carry `x-ficus-side`. */
  sideHeader: flag.default(true),
  timeouts: z
    .strictObject({
      connect: duration.default(2_000),
      /** Until the response's headers. */
      headers: duration.default(30_000),
      /** Between two bytes of a response's body; 0 waits for ever, as event streams need. */
      body: duration.default(0),
      /** Between SIGTERM, from which on `/ready` is 503, and the closing of the port: until a load balancer has noticed. */
      grace: duration.default(0),
      /** From then on, until what is under way is cut off. */
      drain: duration.default(10_000),
    })
    .prefault({}),
  maxBodyBytes: positiveInteger.default(100 * 1024 * 1024),
  shadow: z
    .strictObject({
      /** Shadow requests under way at once; beyond it they are dropped and counted. */
      concurrency: positiveInteger.default(32),
      timeout: duration.default(5_000),
      maxBodyBytes: positiveInteger.default(1024 * 1024),
      /** Response fields that are not compared, as JSON paths such as `generatedAt` or `items.*.score`. */
      ignore: z.array(z.string()).default([]),
    })
    .prefault({}),
})

/** The topics of a capability's changes, with the engine `debezium`. */
const topics = z
  .strictObject({
    /**
     * `single`: all changes of a capability in one topic with one partition, in commit order. `tables`: a topic a table,
     * keyed and partitioned, besides one for the transactions, by which they are put together again. Chosen once: a
     * sync that runs keeps the layout it began with.
     */
    layout: z.enum(['single', 'tables']).default('single'),
    /** Partitions of each table's topic, with the layout `tables`. May be raised later, never lowered. */
    partitions: numeric(z.number().int().min(1).max(200)).default(1),
    /**
     * Which columns are the key of a table's records, with the layout `tables`: `{ 'public.order_lines': ['order_id'] }`.
     * Records of one key stay in one partition. Without it: the primary key.
     */
    keys: z.record(z.string(), z.array(z.string().min(1)).min(1)).default({}),
    /** Copies of each topic, or what the broker's `default.replication.factor` says. */
    replicationFactor: positiveInteger.optional(),
    /** Kafka removes whole segments of what the target has: smaller ones are freed sooner, and are more files. */
    segmentBytes: numeric(z.number().int().min(14)).default(128 * 1024 * 1024),
    /** The largest event, of all the columns that are read. Past it the sync stops; nothing is skipped. */
    maxMessageBytes: numeric(
      z
        .number()
        .int()
        .min(1024)
        .max(512 * 1024 * 1024),
    ).default(16 * 1024 * 1024),
    /**
     * `applied`: what the target has is removed, and nothing else ever. A duration, for others who read the topics:
     * everything is kept so long and then removed, even what the target lacks: a sync that was down for longer has to
     * copy anew.
     */
    retention: z.union([z.literal('applied'), duration]).default('applied'),
  })
  .refine(({ layout, partitions }) => layout === 'tables' || partitions === 1, {
    path: ['partitions'],
    error: "needs layout 'tables': one topic for all tables has one partition, which keeps the order of commits",
  })
  .refine(({ layout, keys }) => layout === 'tables' || Object.keys(keys).length === 0, {
    path: ['keys'],
    error: "needs layout 'tables': one partition needs no keys",
  })
  .prefault({})

const cdc = z
  .strictObject({
    engine: z.enum(['postgres', 'debezium']).default('postgres'),
    /** Rows in one applied transaction, about. */
    batchRows: positiveInteger.default(20_000),
    copyWorkers: positiveInteger.default(2),
    /** The first copy makes a table's indexes after its rows, which is faster, or keeps them meanwhile. */
    copyIndexes: z.enum(['after', 'during']).default('after'),
    /** How many changes may be parked before a refused one stops sync: then it is hardly one bad row. 0: none is parked. */
    maxParked: numeric(z.number().int().nonnegative()).default(1_000),
    /** From PostgreSQL 17 on, standbies that synchronise slots keep a copy of sync's, and go on with it once promoted. */
    slot: z.strictObject({ failover: flag.default(true) }).prefault({}),
    management: listen(7082),
    kafka: z.strictObject({ brokers: z.array(z.string()).min(1) }).optional(),
    connect: z.strictObject({ url: httpUrl }).optional(),
    /** Topics are named `<topicPrefix>.<capability>...`. */
    topicPrefix: z
      .string()
      .regex(/^[A-Za-z0-9._-]+$/, 'may hold letters, digits, dot, dash and underscore')
      .default('ficus'),
    topics,
    /** How Kafka Connect reaches the source databases, where it differs from how Ficus does: `host:port`. */
    connectDatabaseHost: z.string().optional(),
  })
  .prefault({})

const route = z
  .union(
    [z.string(), z.strictObject({ route: z.string(), kind: z.enum(['read', 'write']).optional() })],
    notA("a route, such as 'GET /items/:id' or { route: 'POST /search', kind: 'read' }"),
  )
  .transform((entry, context): Route => {
    const parsed = typeof entry === 'string' ? parseRoute(entry) : parseRoute(entry.route, entry.kind ?? null)
    if (typeof parsed === 'string') {
      context.addIssue({ code: 'custom', message: parsed })
      return z.NEVER
    }
    return parsed
  })

const provider = z.strictObject({
  url: httpUrl,
  /** Receives Pact's provider states: POST {state, params, action}. */
  states: path.default('/_pact/provider-states'),
  /** Starts the provider for the time of a verification, on a database of its own. */
  start: z
    .strictObject({
      /** Run one after the other before the provider starts: create or migrate its database. */
      before: z.array(command).default([]),
      command,
      env: environment,
      ready: path.default('/ready'),
    })
    .optional(),
})

const gates = z
  .strictObject({
    /** Evidence older than this counts as none. */
    freshness: duration.default(15 * 60_000),
    lag: z.strictObject({ maxSeconds: numeric(z.number().nonnegative()).default(5) }).prefault({}),
    shadow: z
      .strictObject({
        /** Compared requests in all, below which the verdict is inconclusive. */
        minimum: positiveInteger.default(100),
        /** Of the compared requests, the share that may differ. */
        maxMismatchRatio: numeric(z.number().min(0).max(1)).default(0),
      })
      .prefault({}),
    load: z
      .strictObject({
        rate: numeric(z.number().positive()).default(100),
        duration: duration.default(10_000),
        maxErrors: numeric(z.number().int().nonnegative()).default(0),
        /** The service's p99 over the monolith's. */
        maxP99Ratio: numeric(z.number().positive()).default(2),
        /** A p99 at or below this passes whatever the ratio says, milliseconds. */
        p99FloorMs: numeric(z.number().nonnegative()).default(50),
      })
      .prefault({}),
  })
  .prefault({})

/**
 * Whether ordinary triggers and foreign keys act on the rows that sync writes. `silent`: no, as with PostgreSQL's own
 * replication, since they acted where the row was first written; needs the right to set `session_replication_role`. `fire`:
 * yes, with deferrable constraints checked at the end of each transaction, and parents written before their children.
 * `auto`: silent where the user may, else fire.
 */
const triggers = (byDefault: 'auto' | 'silent' | 'fire') => z.enum(['auto', 'silent', 'fire']).default(byDefault)

const capability = z.strictObject({
  team: z.string().optional(),
  service: z.strictObject({
    url: httpUrl,
    database,
    health: path.default('/health'),
    ready: path.default('/ready'),
    /** `schema.table` of the service's transactional outbox. It is never synced; Debezium carries it to Kafka. */
    outbox: z.string().min(1).optional(),
  }),
  routes: z.array(route).min(1, 'must list at least one route'),
  /** The file whose default export is the mapping. Relative to the config file. */
  sync: z.string().min(1),
  triggers: z
    .strictObject({
      /** Those of the service's tables, while the monolith owns the data. */
      forward: triggers('auto'),
      /** Those of the monolith's tables, once the service owns the data. */
      reverse: triggers('silent'),
    })
    .prefault({}),
  contracts: z
    .strictObject({
      /** The folder of consumer pacts. Relative to the config file. */
      pacts: z.string().min(1),
      monolith: provider,
      service: provider,
    })
    .optional(),
  /** Requests (`GET` targets) that `ficus load` sends to both sides. */
  load: z.strictObject({ requests: z.array(path).min(1) }).optional(),
  gates,
})

const local = z
  .strictObject({
    /** Where the started servers keep their data. Relative to the config file. */
    stateDir: z.string().default('.ficus/local'),
    postgres: z.strictObject({ port: port.default(7432), databases: z.array(z.string()).default([]) }).optional(),
    unleash: z.strictObject({ port: port.default(7242) }).optional(),
    kafka: z.strictObject({ port: port.default(7092), connectPort: port.default(7083) }).optional(),
    processes: z
      .array(
        z.strictObject({
          name: z.string().min(1),
          before: z.array(command).default([]),
          command,
          env: environment,
          /** Answers 200 once the process works. */
          ready: httpUrl,
        }),
      )
      .default([]),
  })
  .optional()

/** The schema of each section; sections are checked one by one, so that problems of all of them are told at once. */
export const SECTIONS = {
  name: z.string().regex(/^[a-z][a-z0-9_-]*$/, 'must be lower case letters, digits, dash or underscore'),
  monolith,
  ledger: z.strictObject({ url: databaseUrl }),
  flags,
  edge,
  cdc,
  local,
} as const

export const CAPABILITY = capability
export const CAPABILITY_NAME = /^[a-z][a-z0-9_-]{0,39}$/

const whole = z.strictObject({ ...SECTIONS, capabilities: z.record(z.string(), capability) })

/** A config after loading: defaults filled in, durations in milliseconds, routes read. */
export type Migration = z.output<typeof whole>
export type Capability = z.output<typeof capability>
export type Triggers = Capability['triggers']['forward']
export type ContractProvider = z.output<typeof provider>
export type FlagsConfig = z.output<typeof flags>
export type EdgeConfig = z.output<typeof edge>
export type CdcConfig = z.output<typeof cdc>
export type CopyIndexes = CdcConfig['copyIndexes']
export type TopicsConfig = CdcConfig['topics']
export type GatesConfig = z.output<typeof gates>
export type LocalConfig = NonNullable<z.output<typeof local>>
export type IdentitySource = z.output<typeof identitySource>

type WithEnv<T> =
  | FromEnv
  | (T extends readonly (infer Item)[]
      ? readonly WithEnv<Item>[]
      : T extends object
        ? { readonly [Key in keyof T]: WithEnv<T[Key]> }
        : T)

/** A config as a person writes it: any value may be `fromEnv(…)`. */
export type MigrationInput = WithEnv<z.input<typeof whole>>
