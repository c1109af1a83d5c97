import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import pRetry from 'p-retry'
import { type Server, serverOf, startChild } from './child.ts'
import { freePort } from './free-port.ts'
import { type JarSet, type Progress, resolveJars } from './jars.ts'
import { findJava } from './java.ts'
import { logging } from './kafka.ts'
import { overrideProperties } from './properties.ts'
import { ROOT } from './state-dir.ts'

const CONFIG_FILE = 'deploy/connect/connect.properties'
const START_TIMEOUT = 120_000

export interface ConnectOptions {
  /** Holds its generated configuration and its plugin folder. What it remembers lies in Kafka. */
  readonly dir: string
  /** TCP port of 127.0.0.1 for its REST interface; 0 takes a free one. */
  readonly port: number
  /** The Kafka it works on: `127.0.0.1:7092`. */
  readonly bootstrapServers: string
  /** The JVM's largest heap, such as `1g`. */
  readonly heap?: string
  /** Its connectors. */
  readonly plugins?: readonly Exclude<JarSet, 'kafka'>[]
  /** Gets every line of the worker's log. */
  readonly log?: (line: string) => void
  /** Gets the progress of the first download. */
  readonly progress?: Progress
}

/** A running Kafka Connect worker of our own. */
export interface ConnectWorker extends Server {
  /** Its REST interface: `http://127.0.0.1:7083`. */
  readonly url: string
}

/**
 * Starts a real Kafka Connect worker, with Debezium's PostgreSQL connector unless told otherwise, on 127.0.0.1, with the configuration file of
 * docker-compose.yml. Resolves when it takes connectors. It ends with this process, even when that is killed.
 *
 * @throws FicusError FICUS_COMPONENT_MISSING without Java or Maven, FICUS_PORT_TAKEN, FICUS_KAFKA_UNREACHABLE when it
 *   does not start; the message ends with its log.
 */
export async function startConnect(options: ConnectOptions): Promise<ConnectWorker> {
  const { dir, bootstrapServers, heap = '1g', plugins = ['debezium-postgres'] } = options
  const java = await findJava()
  const jars = await resolveJars('kafka', options.progress)
  const port = options.port === 0 ? await freePort() : options.port
  const url = `http://127.0.0.1:${port}`
  const config = join(dir, 'connect.properties')
  const pluginPath = join(dir, 'plugins')
  await mkdir(pluginPath, { recursive: true })
  for (const plugin of plugins) await linkFolder(await resolveJars(plugin, options.progress), join(pluginPath, plugin))
  const overrides = {
    'bootstrap.servers': bootstrapServers,
    listeners: url,
    'rest.advertised.host.name': '127.0.0.1',
    'plugin.path': pluginPath,
  }
  await writeFile(config, overrideProperties(await readFile(join(ROOT, CONFIG_FILE), 'utf8'), CONFIG_FILE, overrides))

  const main = ['org.apache.kafka.connect.cli.ConnectDistributed', config]
  const child = await startChild({
    name: 'Kafka Connect',
    command: java.command,
    args: ['-cp', join(jars, '*'), `-Xmx${heap}`, '-Djava.awt.headless=true', logging(), ...main],
    ...(options.log && { log: options.log }),
  })
  try {
    await child.waitForLine('Kafka Connect started', START_TIMEOUT)
    await takesConnectors(url)
  } catch (cause) {
    await child.stop()
    if (child.tail().includes('Address already in use')) {
      throw new FicusError('FICUS_PORT_TAKEN', `Kafka Connect cannot listen on ${url}: something else does`, { cause })
    }
    throw new FicusError('FICUS_KAFKA_UNREACHABLE', messageOf(cause), {
      cause,
      remedy: `Its last lines, above, say why: most often Kafka is out of reach at ${bootstrapServers}.`,
    })
  }
  return {
    url,
    ...serverOf(child),
  }
}

/** The REST interface answers 500 until the worker has read its topics and joined its group. */
async function takesConnectors(url: string): Promise<void> {
  const ask = async () => {
    const answer = await fetch(`${url}/connectors`, { signal: AbortSignal.timeout(10_000) })
    if (!answer.ok) throw new Error(`${url}/connectors answers ${answer.status}: ${await answer.text()}`)
  }
  await pRetry(ask, { retries: 100, minTimeout: 200, factor: 1, maxRetryTime: START_TIMEOUT })
}

async function linkFolder(target: string, path: string): Promise<void> {
  await rm(path, { recursive: true, force: true })
  await symlink(target, path, 'dir')
}
