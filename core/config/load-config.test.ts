import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defineMigration, fromEnv } from './define-migration.ts'
import type { ConfigProblem } from './environment.ts'
import { checkConfig, configInvalid, loadConfig } from './load-config.ts'
import type { MigrationInput } from './schema.ts'

const database = (name: string) => ({ url: `postgres://shop:secret@127.0.0.1:5432/${name}` })

const catalog = {
  service: { url: 'http://127.0.0.1:7001/', database: database('catalog') },
  routes: ['GET /api/products/:id', { route: 'POST /api/search', kind: 'read' as const }],
  sync: './catalog/sync.ts',
}

const valid = {
  name: 'shop',
  monolith: { url: 'http://127.0.0.1:7000', database: database('shop') },
  ledger: database('ficus'),
  flags: { provider: 'file' as const, path: 'flags.json' },
  edge: { cookieSecret: fromEnv('COOKIE_SECRET') },
  capabilities: { catalog },
}

const env = { COOKIE_SECRET: '0123456789abcdef' }

function problemsOf(value: unknown): readonly ConfigProblem[] {
  return checkConfig(value, env).problems
}

describe('a valid config', () => {
  it('is given its defaults, with durations in milliseconds and routes read', () => {
    const { migration } = checkConfig(defineMigration(valid), env)
    expect(migration).toMatchObject({
      edge: {
        cookieSecret: '0123456789abcdef',
        listen: { host: '127.0.0.1', port: 7080 },
        timeouts: { connect: 2_000, headers: 30_000, body: 0 },
        sideHeader: true,
      },
      cdc: { engine: 'postgres' },
      capabilities: {
        catalog: {
          service: { url: 'http://127.0.0.1:7001' },
          gates: { freshness: 900_000 },
          routes: [
            { method: 'GET', path: '/api/products/:id', kind: null },
            { method: 'POST', path: '/api/search', kind: 'read' },
          ],
        },
      },
    })
  })

  it('takes numbers, durations, and true and false from the environment’s text', () => {
    const edge = {
      cookieSecret: fromEnv('COOKIE_SECRET'),
      listen: { port: fromEnv('PORT', '7080') },
      maxBodyBytes: fromEnv('MAX_BODY', '1024'),
      sideHeader: fromEnv('SIDE_HEADER'),
      timeouts: { headers: fromEnv('TIMEOUT') },
    }
    const { migration } = checkConfig(defineMigration({ ...valid, edge }), {
      ...env,
      PORT: '8080',
      MAX_BODY: '',
      SIDE_HEADER: 'false',
      TIMEOUT: '5s',
    })
    expect(migration?.edge).toMatchObject({
      listen: { port: 8080 },
      maxBodyBytes: 1024,
      sideHeader: false,
      timeouts: { headers: 5_000 },
    })
  })
})

it('invariant 13: ten kinds of broken config give ten clear errors at once', () => {
  const broken = {
    ...valid,
    // 1. A section that is not there.
    ledger: undefined,
    // 2. A misspelled setting.  3. A variable that is not set.  4. Text that is no duration.
    edge: { cookieSecrets: 'x', cookieSecret: fromEnv('SECRET'), timeouts: { headers: 'soon' } },
    // 5. A provider that there is not.
    flags: { provider: 'redis' },
    // 6. A database that is not PostgreSQL.
    monolith: { url: 'http://127.0.0.1:7000', database: { url: 'mysql://127.0.0.1/shop' } },
    // 7. An engine without the parts that it needs.
    cdc: { engine: 'debezium', kafka: { brokers: ['127.0.0.1:7092'] } },
    capabilities: {
      catalog,
      // 8. A name that cannot be part of other names.
      'Order Desk': {
        ...catalog,
        service: { url: 'http://127.0.0.1:7002', database: database('orders') },
        // 9. What is no route.  10. A route that two capabilities claim.
        routes: ['GET /orders/*/lines'],
      },
      stock: {
        ...catalog,
        service: { url: 'http://127.0.0.1:7003', database: database('stock') },
        routes: ['ANY /api/products/:sku'],
      },
    },
  }
  const problems = problemsOf(broken)
  expect(problems).toHaveLength(10)
  for (const { path, remedy } of problems) {
    expect(path).toMatch(/^[a-z]+(\.|\[|$)/)
    expect(remedy).toMatch(/^(Set|Add|Delete|Correct|Use|Leave) .+\.$/)
  }
  expect(configInvalid('ficus.config.ts', problems).message).toMatchInlineSnapshot(`
    "ficus.config.ts has 10 problems:
      edge.cookieSecret: environment variable SECRET is not set
        Set SECRET, or give fromEnv('SECRET', …) a fallback.
      monolith.database.url: must be a PostgreSQL address with a database: postgres://user:password@host:5432/database
        Correct monolith.database.url; core/config/schema.ts says what it may hold.
      ledger: is missing (expected object)
        Add ledger.
      flags.provider: Invalid discriminator value. Expected 'unleash' | 'file'
        Correct flags.provider; core/config/schema.ts says what it may hold.
      edge.timeouts.headers: "soon" is not a duration, such as '250ms' or '20s'
        Correct edge.timeouts.headers; core/config/schema.ts says what it may hold.
      edge: unknown setting cookieSecrets
        Delete cookieSecrets, or correct its spelling.
      capabilities.Order Desk.routes[0]: in /orders/*/lines the * must be the last character
        Correct capabilities.Order Desk.routes[0]; core/config/schema.ts says what it may hold.
      capabilities.Order Desk: "Order Desk" cannot be part of a flag's, a slot's and a topic's name
        Use at most 40 lower case letters, digits, dashes and underscores, a letter first.
      capabilities.stock.routes[0]: ANY /api/products/:sku is claimed by capabilities.catalog.routes[0] already, with GET /api/products/:id
        Leave these requests to one route.
      cdc.connect: is missing, and the debezium engine needs it
        Add cdc.connect: { url: 'http://127.0.0.1:7083' }."
  `)
})

describe('invariant 13: a problem is named by its path', () => {
  it.each<[string, Partial<Record<keyof MigrationInput, unknown>>, string, string]>([
    [
      'a key without a way to check its signature',
      { edge: { cookieSecret: fromEnv('COOKIE_SECRET'), identity: [{ cookie: 'sid' }, { jwtClaim: 'sub' }] } },
      'edge.identity[1]',
      'needs either jwks or secret, so that the token’s signature can be checked',
    ],
    [
      'a source of identity that there is not',
      { edge: { cookieSecret: fromEnv('COOKIE_SECRET'), identity: [{ hedder: 'x' }] } },
      'edge.identity[0]',
      'must be { header }, { cookie } or { jwtClaim, jwks | secret }',
    ],
    [
      'a secret that is short',
      { edge: { cookieSecret: 'hush' } },
      'edge.cookieSecret',
      'must have 16 characters or more',
    ],
    [
      'a port out of range',
      { cdc: { management: { port: 70_000 } } },
      'cdc.management.port',
      'Too big: expected number to be <=65535',
    ],
    [
      'a value of the wrong type',
      { capabilities: { catalog: { ...catalog, sync: 5 } } },
      'capabilities.catalog.sync',
      'expected string, received number',
    ],
    [
      'the monolith’s own database',
      {
        capabilities: {
          catalog: { ...catalog, service: { url: 'http://127.0.0.1:7001', database: database('shop') } },
        },
      },
      'capabilities.catalog.service.database.url',
      'is the monolith’s own database',
    ],
    [
      'a route that is claimed twice by the same capability',
      { capabilities: { catalog: { ...catalog, routes: ['GET /a/:id', 'HEAD /a/:name/'] } } },
      'capabilities.catalog.routes[1]',
      'HEAD /a/:name/ is claimed by capabilities.catalog.routes[0] already, with GET /a/:id',
    ],
    [
      'an address with a password, which HTTP clients refuse',
      { monolith: { ...valid.monolith, url: 'http://shop:secret@127.0.0.1:7000' } },
      'monolith.url',
      'must hold no user and no password',
    ],
    ['no capability', { capabilities: {} }, 'capabilities', 'names no capability'],
    ['an unknown section', { edges: {} }, 'edges', 'unknown section'],
  ])('%s', (_what, change, path, problem) => {
    expect(problemsOf({ ...valid, ...change })).toEqual([{ path, problem, remedy: expect.any(String) }])
  })

  it('a variable that is not set is told once, not again as what it left behind', () => {
    const identity = [{ header: fromEnv('USER_HEADER') }]
    expect(problemsOf({ ...valid, edge: { cookieSecret: fromEnv('SECRET'), identity } })).toEqual([
      {
        path: 'edge.cookieSecret',
        problem: 'environment variable SECRET is not set',
        remedy: "Set SECRET, or give fromEnv('SECRET', …) a fallback.",
      },
      expect.objectContaining({ path: 'edge.identity[0].header' }),
    ])
  })

  it('no message repeats a secret', () => {
    const flags = { provider: 'unleash', url: 'not a url', token: ['s3cret'], adminToken: 5 }
    const edge = { cookieSecret: 's3cret', identity: [{ jwtClaim: 'sub', secrets: 's3cret' }] }
    const monolith = { url: 'http://127.0.0.1:7000', database: { url: 'postgres://shop:s3cret@127.0.0.1' } }
    const problems = problemsOf({ ...valid, flags, edge, monolith })
    expect(problems.length).toBeGreaterThanOrEqual(5)
    expect(configInvalid('ficus.config.ts', problems).message).not.toContain('s3cret')
  })
})

describe('a config file', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ficus-config-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const written = async (name: string, text: string) => {
    const file = join(folder, name)
    await writeFile(file, text)
    return file
  }

  it('is imported and told where it stands', async () => {
    const define = fileURLToPath(new URL('./define-migration.ts', import.meta.url))
    const text = `
      import { defineMigration, fromEnv } from ${JSON.stringify(define)}
      export default defineMigration({ ...${JSON.stringify({ ...valid, edge: undefined })},
        edge: { cookieSecret: fromEnv('COOKIE_SECRET') } })`
    const file = await written('valid.config.ts', text)
    const loaded = await loadConfig(file, env)
    expect(loaded).toMatchObject({ file, directory: folder, migration: { name: 'shop' } })
  })

  it('invariant 13: that is missing, broken or empty says so and names the file', async () => {
    await expect(loadConfig(join(folder, 'none.ts'), env)).rejects.toMatchObject({
      code: 'FICUS_CONFIG_NOT_FOUND',
      message: `there is no config file ${join(folder, 'none.ts')}`,
    })
    const broken = await written('broken.config.ts', 'export default {')
    await expect(loadConfig(broken, env)).rejects.toMatchObject({
      code: 'FICUS_CONFIG_INVALID',
      message: expect.stringContaining(`${broken} cannot be imported`),
    })
    const empty = await written('empty.config.ts', 'export const migration = {}')
    await expect(loadConfig(empty, env)).rejects.toMatchObject({
      code: 'FICUS_CONFIG_INVALID',
      message: `${empty} has 1 problem:\n  default: the file does not export a migration\n    Write \`export default defineMigration({ … })\`.`,
      details: { problems: [{ path: 'default' }] },
    })
  })
})
