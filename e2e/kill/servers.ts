import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startConnect } from '@ficus/deploy/native/connect'
import { startKafka } from '@ficus/deploy/native/kafka'
import { openLogFile } from '@ficus/deploy/native/log-file'
import type { PostgresServer } from '@ficus/deploy/native/postgres'
import { STATE_DIR } from '@ficus/deploy/native/state-dir'
import { startThrowAwayPostgres } from '@ficus/deploy/testing/cluster'
import { temporaryFolder } from '@ficus/deploy/testing/temporary-folder'
import type { ServerName } from './victims.ts'

/** What Kafka and Kafka Connect logged while the last campaign ran. */
const LOGS = join(STATE_DIR, 'kill')

export type Engine = 'postgres' | 'debezium'

/** Real servers, each of which can be killed and come back with its data. */
export interface Servers {
  readonly engine: Engine
  readonly names: readonly ServerName[]
  readonly sourceUrl: string
  readonly targetUrl: string
  /** A server that nobody kills. */
  readonly ledgerUrl: string
  /** What goes into `cdc` of the config. */
  readonly cdc: Readonly<Record<string, unknown>>
  /** The folder of what Kafka and Kafka Connect logged; null where neither runs. */
  readonly logs: string | null
  /** SIGKILL; resolves when it is gone. */
  kill(name: ServerName): Promise<void>
  /** Starts what was killed, on its old port. */
  revive(name: ServerName): Promise<void>
  /** The same servers with empty databases. @param topics what goes into `cdc.topics` of the config. */
  anew(topics: Readonly<Record<string, unknown>>): Promise<Servers>
}

interface Life {
  kill(): Promise<void>
  revive(): Promise<void>
}

/**
 * @param resources gets everything that has to be released.
 * @param topics what goes into `cdc.topics` of the config.
 * @throws FicusError where a part is missing.
 */
export async function startServers(
  engine: Engine,
  resources: AsyncDisposableStack,
  progress: (line: string) => void,
  topics: Readonly<Record<string, unknown>> = {},
): Promise<Servers> {
  const [source, target, ledger] = [
    await startDatabase(resources),
    await startDatabase(resources),
    await startDatabase(resources),
  ]
  const lives = new Map<ServerName, Life>([
    ['source', lifeOf(source)],
    ['target', lifeOf(target)],
  ])
  const life = (name: ServerName) => {
    const found = lives.get(name)
    if (found === undefined) throw new Error(`there is no ${name}`)
    return found
  }
  const streams = engine === 'postgres' ? {} : await startStreams(lives, resources, progress)
  const withDatabases = async (number: number, settings: Readonly<Record<string, unknown>>): Promise<Servers> => ({
    engine,
    names: [...lives.keys()],
    sourceUrl: await source.createDatabase(`monolith_${number}`),
    targetUrl: await target.createDatabase(`service_${number}`),
    ledgerUrl: await ledger.createDatabase(`ledger_${number}`),
    cdc: { engine, ...streams, ...settings },
    logs: lives.has('kafka') ? LOGS : null,
    kill: name => life(name).kill(),
    revive: name => life(name).revive(),
    anew: topics => withDatabases(number + 1, { topics }),
  })
  return withDatabases(1, { topics })
}

async function startDatabase(resources: AsyncDisposableStack): Promise<PostgresServer> {
  return resources.use(await startThrowAwayPostgres())
}

function lifeOf(server: PostgresServer): Life {
  return { kill: () => server.kill('SIGKILL'), revive: () => server.restart() }
}

async function startStreams(
  lives: Map<ServerName, Life>,
  resources: AsyncDisposableStack,
  progress: (line: string) => void,
): Promise<Record<string, unknown>> {
  const folder = await temporaryFolder()
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  await rm(LOGS, { recursive: true, force: true })
  const logged = async (name: ServerName) => {
    const log = await openLogFile(LOGS, name)
    resources.defer(() => log.close())
    return { dir: join(folder, name), progress, log: log.write }
  }
  const start = { kafka: await logged('kafka'), connect: await logged('connect') }

  let kafka = await startKafka({ ...start.kafka, port: 0 })
  resources.defer(() => kafka.stop())
  const { port, bootstrapServers } = kafka
  let connect = await startConnect({ ...start.connect, port: 0, bootstrapServers })
  resources.defer(() => connect.stop())
  const { url } = connect

  lives.set('kafka', {
    kill: () => kafka.kill('SIGKILL'),
    revive: async () => {
      kafka = await startKafka({ ...start.kafka, port })
    },
  })
  lives.set('connect', {
    kill: () => connect.kill('SIGKILL'),
    revive: async () => {
      connect = await startConnect({ ...start.connect, port: Number(new URL(url).port), bootstrapServers })
    },
  })
  return { kafka: { brokers: [bootstrapServers] }, connect: { url } }
}
