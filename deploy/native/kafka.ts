import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { execa } from 'execa'
import { type Server, serverOf, startChild } from './child.ts'
import { freePort } from './free-port.ts'
import { type Progress, resolveJars } from './jars.ts'
import { findJava } from './java.ts'
import { overrideProperties } from './properties.ts'
import { ROOT } from './state-dir.ts'

const CONFIG_FILE = 'deploy/kafka/broker.properties'
export const LOG_CONFIG_FILE = 'deploy/kafka/log4j2.xml'
const START_TIMEOUT = 90_000
/** 22 characters of base64url: Kafka wants 16 bytes. The same name as in docker-compose.yml. */
const CLUSTER_ID = 'ficus-local-cluster-0A'

export interface KafkaOptions {
  /** Its data: made if missing, gone on with if not. */
  readonly dir: string
  /** TCP port of 127.0.0.1; 0 takes a free one. */
  readonly port: number
  /** The JVM's largest heap, such as `512m`. */
  readonly heap?: string
  /** Gets every line of the server's log. */
  readonly log?: (line: string) => void
  /** Gets the progress of the first download. */
  readonly progress?: Progress
}

/** A running Kafka node of our own. */
export interface KafkaServer extends Server {
  /** What clients connect to: `127.0.0.1:7092`. */
  readonly bootstrapServers: string
  readonly port: number
}

/**
 * Starts one real Kafka node (broker and controller in one) on 127.0.0.1 with the configuration file of
 * docker-compose.yml, on Maven's artifacts. It ends with this process, even when that is killed.
 *
 * @throws FicusError FICUS_COMPONENT_MISSING without Java or Maven, FICUS_PORT_TAKEN, FICUS_KAFKA_UNREACHABLE when it
 *   does not start; the message ends with its log.
 */
export async function startKafka(options: KafkaOptions): Promise<KafkaServer> {
  const { dir, heap = '512m' } = options
  const java = await findJava()
  const jars = await resolveJars('kafka', options.progress)
  const port = options.port === 0 ? await freePort() : options.port
  const data = join(dir, 'data')
  const config = join(dir, 'broker.properties')
  await mkdir(dir, { recursive: true })
  const controller = `127.0.0.1:${await freePort()}`
  const overrides = {
    'controller.quorum.voters': `1@${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'log.dirs': data,
  }
  await writeFile(config, overrideProperties(await readFile(join(ROOT, CONFIG_FILE), 'utf8'), CONFIG_FILE, overrides))

  const classPath = ['-cp', join(jars, '*')]
  if (!(await isFormatted(data))) {
    const format = ['kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', config]
    await execa(java.command, [...classPath, logging(), ...format])
  }
  const child = await startChild({
    name: 'Kafka',
    command: java.command,
    args: [...classPath, `-Xmx${heap}`, '-Djava.awt.headless=true', logging(), 'kafka.Kafka', config],
    ...(options.log && { log: options.log }),
  })
  try {
    await child.waitForLine('Kafka Server started', START_TIMEOUT)
  } catch (cause) {
    await child.stop()
    if (child.tail().includes('Address already in use')) {
      throw new FicusError('FICUS_PORT_TAKEN', `Kafka cannot listen on 127.0.0.1:${port}: something else does`, {
        cause,
      })
    }
    throw new FicusError('FICUS_KAFKA_UNREACHABLE', messageOf(cause), {
      cause,
      remedy: 'Its last lines, above, say why: mend that, or remove its folder to start afresh.',
    })
  }
  return {
    bootstrapServers: `127.0.0.1:${port}`,
    port,
    ...serverOf(child),
  }
}

/** The JVM option that names the log's configuration file. */
export function logging(): string {
  return `-Dlog4j2.configurationFile=${join(ROOT, LOG_CONFIG_FILE)}`
}

async function isFormatted(data: string): Promise<boolean> {
  return stat(join(data, 'meta.properties')).then(
    () => true,
    () => false,
  )
}
