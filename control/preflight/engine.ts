import { connect } from 'node:net'
import type { CdcConfig } from '@ficus/core/config/schema'
import { ERROR_CODES } from '@ficus/core/errors/codes'
import { messageOf } from '@ficus/core/errors/ficus-error'
import { CONNECTOR_CLASS, connectorPlugins } from '../joint/cdc.ts'
import { plural } from '../terminal/words.ts'
import { type Area, area, type Findings } from './problem.ts'

const TIMEOUT = 3_000

/** What the engine of the config stands on besides the databases: nothing for `postgres`, Kafka and Kafka Connect for `debezium`. */
export function lookAtEngine({ engine, kafka, connect }: CdcConfig, signal: AbortSignal): Promise<Area>[] {
  if (engine !== 'debezium' || kafka === undefined || connect === undefined) return []
  return [
    area('kafka', 'cdc.kafka.brokers', () => lookAtBrokers(kafka.brokers, signal)),
    area('kafka connect', 'cdc.connect.url', () => lookAtConnect(connect.url)),
  ]
}

/** One broker is enough to find the others by, so one that is away beside it is a note. */
async function lookAtBrokers(brokers: readonly string[], signal: AbortSignal): Promise<Findings> {
  const reasons = await Promise.all(brokers.map(broker => whyUnreachable(broker, signal)))
  const where = 'cdc.kafka.brokers'
  const { remedy } = ERROR_CODES.FICUS_KAFKA_UNREACHABLE
  const silent = brokers.flatMap((broker, at) => {
    const reason = reasons[at] ?? null
    return reason === null ? [] : [{ where, problem: `no broker answers at ${broker}: ${reason}`, remedy }]
  })
  const answering = brokers.length - silent.length
  const detail = `${answering} of ${plural(brokers.length, 'broker')} ${answering === 1 ? 'answers' : 'answer'}`
  if (answering > 0) return { detail, notes: silent }
  return { detail, problems: silent.map(entry => ({ code: 'FICUS_KAFKA_UNREACHABLE', ...entry })) }
}

/** Null where something accepts a TCP connection at `host:port`. */
function whyUnreachable(broker: string, signal: AbortSignal): Promise<string | null> {
  const colon = broker.lastIndexOf(':')
  const host = broker.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return new Promise(resolve => {
    const port = Number(broker.slice(colon + 1))
    if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) return resolve('it is not host:port')
    const socket = connect({ host, port, timeout: TIMEOUT, signal })
    const end = (reason: string | null) => {
      socket.destroy()
      resolve(reason)
    }
    socket.once('connect', () => end(null))
    socket.once('timeout', () => end(`no answer for ${TIMEOUT / 1_000} s`))
    socket.once('error', error => end(messageOf(error)))
  })
}

async function lookAtConnect(url: string): Promise<Findings> {
  const plugins = await connectorPlugins(url)
  if (plugins.includes(CONNECTOR_CLASS)) return { detail: `${url}, has Debezium's PostgreSQL connector` }
  return {
    detail: url,
    problems: [
      {
        code: 'FICUS_CONNECTOR_FAILED',
        where: 'cdc.connect.url',
        problem: `Kafka Connect at ${url} lacks ${CONNECTOR_CLASS}`,
        remedy:
          "Put Debezium's PostgreSQL connector into a folder of the worker's plugin.path, then restart the worker.",
      },
    ],
  }
}
