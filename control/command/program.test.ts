import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runInHost } from '../testing/host.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ficus-cli-'))
})
afterAll(() => rm(folder, { recursive: true }))

const COMMANDS = [
  'status',
  'check',
  'start',
  'advance',
  'rollback',
  'route',
  'verify',
  'parked',
  'load',
  'journal',
  'up',
] as const

describe('--help', () => {
  it('lists every command and the exit codes', async () => {
    const { code, stdout } = await runInHost('--help')
    expect(code).toBe(0)
    expect(stdout).toMatchSnapshot()
    expect([...stdout.matchAll(/^ {2}([a-z]+) \[options\]/gm)].map(([, name]) => name)).toEqual(COMMANDS)
  })

  it('is what a person gets who types nothing else', async () => {
    expect((await runInHost()).stdout).toBe((await runInHost('--help')).stdout)
  })

  it.each(COMMANDS)('of %s ends with an example', async command => {
    const { code, stdout } = await runInHost(command, '--help')
    expect(code).toBe(0)
    expect(stdout).toMatchSnapshot()
    expect(stdout).toMatch(new RegExp(`\n\nExamples?:\n( {2}\\$ ficus ${command}\\b.*\n)+$`))
    expect(stdout).toContain('--json')
  })

  it.each(['verify', 'parked'])('of %s says what its exit codes mean', async command => {
    expect((await runInHost(command, '--help')).stdout).toMatch(
      /Exit codes:\n {2}0 .+\n {2}1 .+\n {2}2 .+\n {2}3 .+\n {2}130 .+/,
    )
  })
})

describe('invariant 13: bad usage ends with 2 and names what is wrong', () => {
  it.each([
    ['an unknown command', ['migrate'], "unknown command 'migrate'", 'ficus --help'],
    ['an unknown option', ['status', '--loud'], "unknown option '--loud'", 'ficus status --help'],
    ['a missing argument', ['advance'], "missing required argument 'capability'", 'ficus advance --help'],
    ['an argument too many', ['status', 'a', 'b'], 'too many arguments', 'ficus status --help'],
    ['a dial that is no percentage', ['route', 'a', '--read', '101'], 'from 0 to 100', 'ficus route --help'],
    ['a dial with a fraction', ['route', 'a', '--read', '2.5'], 'from 0 to 100', 'ficus route --help'],
    ['a rate that is none', ['load', 'a', '--rate', 'fast'], 'requests a second', 'ficus load --help'],
    ['a duration without a unit', ['load', 'a', '--duration', '20'], 'such as 20s', 'ficus load --help'],
    ['a phase that there is not', ['rollback', 'a', '--to', 'start'], 'legacy, syncing', 'ficus rollback --help'],
    ['an id that is none', ['parked', 'a', 'show', 'first'], 'id of a parked change', 'ficus parked --help'],
    ['an action that there is not', ['parked', 'a', 'drop'], 'list, show, retry', 'ficus parked --help'],
    ['a count of nothing', ['journal', '--limit', '0'], 'from 1 on', 'ficus journal --help'],
    ['a config that is not there', ['status', '--config', 'no.ts'], 'no.ts', '--config'],
  ])('%s', async (_name, args, message, remedy) => {
    const { code, stdout, stderr } = await runInHost(...args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^FICUS_(USAGE|CONFIG_NOT_FOUND) {2}/)
    expect(stderr).toContain(message)
    expect(stderr.split('what to do:')[1]).toContain(remedy)
  })

  it('tells a program the same', async () => {
    const { code, stdout, stderr } = await runInHost('status', '--json', '--loud')
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'FICUS_USAGE', message: "unknown option '--loud'" } })
    expect(stderr).toBe('')
  })
})

describe('invariant 13: a broken config', () => {
  const database = (name: string) => ({ url: `postgres://shop:secret@127.0.0.1:5432/${name}` })
  const capability = {
    service: { url: 'http://127.0.0.1:1', database: database('b') },
    routes: ['GET /b'],
    sync: 's.ts',
  }
  const broken = {
    name: 'The Shop',
    monolith: { url: 'ftp://127.0.0.1', database: { url: 'mysql://127.0.0.1/shop' } },
    flags: { provider: 'redis' },
    edge: { cookieSecret: 'short', timeouts: { headers: 'soon' } },
    cdc: { engines: 'postgres' },
    metrics: {},
    capabilities: {
      catalog: capability,
      'Order Desk': { ...capability, routes: ['GET /orders'] },
      stock: { ...capability, routes: ['GET /b'] },
    },
  }
  const paths = [
    'name',
    'monolith.url',
    'monolith.database.url',
    'ledger',
    'flags.provider',
    'edge.cookieSecret',
    'edge.timeouts.headers',
    'cdc',
    'metrics',
    'capabilities.Order Desk',
    'capabilities.stock.routes[0]',
  ]

  const file = () => join(folder, 'broken.ts')
  beforeAll(() => writeFile(file(), `export default ${JSON.stringify(broken)}`))

  it.each(COMMANDS)('refuses %s with 2 and lists every problem at once', async command => {
    const needsCapability = !['status', 'check', 'journal', 'up'].includes(command)
    const capabilities = needsCapability ? ['catalog'] : []
    const { code, stdout, stderr } = await runInHost(command, ...capabilities, '--config', file())
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(`FICUS_CONFIG_INVALID  ${file()} has ${paths.length} problems:`)
    expect([...stderr.matchAll(/^ {2}([a-z][^:]*): /gm)].map(([, path]) => path).toSorted()).toEqual(
      ['what to do', ...paths].toSorted(),
    )
    expect(stderr).not.toContain('secret@')
  })

  it('is a list for a program', async () => {
    const { stdout } = await runInHost('check', '--json', '--config', file())
    const { error } = JSON.parse(stdout)
    expect(error.details.problems.map(({ path }: { path: string }) => path).toSorted()).toEqual(paths.toSorted())
  })

  it.each([
    ['does not parse', 'export default {', 'cannot be imported'],
    ['exports nothing', 'export const config = {}', 'does not export a migration'],
    ['throws', 'throw new Error("no key")', 'no key'],
  ])('%s', async (_name, text, message) => {
    // A path of its own each: a file is imported once.
    const file = join(folder, `${message.replaceAll(' ', '-')}.ts`)
    await writeFile(file, text)
    const { code, stderr } = await runInHost('status', '--config', file)
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) })
  })
})
