import { checkConfig } from '@ficus/core/config/load-config'
import type { MigrationInput } from '@ficus/core/config/schema'
import { describe, expect, it } from 'vitest'
import { databasesOf, localOf, portsOf, refuseSharedPorts } from './plan.ts'

const database = (name: string) => `postgres://ada:l%40ce@127.0.0.1:7432/${name}`

function load(change: Partial<MigrationInput> = {}) {
  const { migration, problems } = checkConfig(
    {
      name: 'x',
      monolith: { url: 'http://127.0.0.1:7100', database: { url: database('old') } },
      ledger: { url: database('ledger') },
      flags: { provider: 'unleash', url: 'http://127.0.0.1:7242', token: 't' },
      edge: { cookieSecret: '0123456789abcdef' },
      capabilities: {
        a: {
          service: { url: 'http://127.0.0.1:7110', database: { url: 'postgres://b@db.example:5432/a' } },
          routes: ['GET /a'],
          sync: 'sync.ts',
        },
      },
      local: {
        postgres: { databases: ['more'] },
        unleash: {},
        kafka: {},
        processes: [{ name: 'old', command: ['old'], ready: 'http://127.0.0.1:7100/ready' }],
      },
      ...change,
    } satisfies MigrationInput,
    {},
  )
  if (migration === null) throw new Error(JSON.stringify(problems))
  return { file: 'ficus.config.ts', directory: '/', migration }
}

describe('what `ficus up` starts', () => {
  it('creates the databases that the config expects on the local server, with their own user', () => {
    const { migration } = load()
    expect(databasesOf(migration, localOf(load()))).toEqual({
      user: 'ada',
      password: 'l@ce',
      names: ['more', 'ledger', 'old', 'unleash'],
    })
  })

  it('names the setting of each port, Kafka’s only for the engine that needs it', () => {
    const loaded = load()
    const settings = portsOf(loaded.migration, localOf(loaded)).map(({ port, setting }) => `${setting} ${port}`)
    expect(settings).toEqual([
      'local.postgres.port 7432',
      'local.unleash.port 7242',
      'local.processes[0].ready 7100',
      'edge.listen.port 7080',
      'edge.management.port 7081',
      'cdc.management.port 7082',
    ])
    const cdc = { engine: 'debezium', kafka: { brokers: ['k:1'] }, connect: { url: 'http://c:1' } } as const
    const names = portsOf(load({ cdc }).migration, localOf(load({ cdc }))).map(({ name }) => name)
    expect(names).toContain('Kafka')
    expect(names).toContain('Kafka Connect')
  })

  it('invariant 13: refuses two settings with one port, no local section, and Unleash beside a flag file', () => {
    const shared = load({ edge: { cookieSecret: '0123456789abcdef', listen: { port: 7100 } } })
    expect(() => refuseSharedPorts(portsOf(shared.migration, localOf(shared)))).toThrow(
      expect.objectContaining({
        code: 'FICUS_PORT_TAKEN',
        message: 'the edge cannot listen on 7100: old is to listen there too',
        remedy: 'Change edge.listen.port or local.processes[0].ready.',
      }),
    )
    expect(() => localOf(load({ flags: { provider: 'file', path: 'f.json' } }))).toThrow('flags.provider is a file')
    const without = load()
    expect(() => localOf({ ...without, migration: { ...without.migration, local: undefined } })).toThrow(
      'has no section local',
    )
  })
})
