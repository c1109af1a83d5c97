import { FicusError } from '@ficus/core/errors/ficus-error'

/** A server of docker-compose.yml that starts natively. */
export type ComponentName = 'postgres' | 'unleash' | 'kafka' | 'connect'

/** What a person may know and choose about it. */
export interface Component {
  readonly title: string
  /** The TCP port of 127.0.0.1: the one that docker-compose.yml publishes. */
  readonly port: number
  readonly env: string
  readonly flag: string
  readonly needs: readonly ComponentName[]
}

/** In the order in which they start. */
export const COMPONENTS = {
  postgres: { title: 'PostgreSQL', port: 7432, env: 'FICUS_POSTGRES_PORT', flag: '--postgres-port', needs: [] },
  unleash: { title: 'Unleash', port: 7242, env: 'FICUS_UNLEASH_PORT', flag: '--unleash-port', needs: ['postgres'] },
  kafka: { title: 'Kafka', port: 7092, env: 'FICUS_KAFKA_PORT', flag: '--kafka-port', needs: [] },
  connect: { title: 'Kafka Connect', port: 7083, env: 'FICUS_CONNECT_PORT', flag: '--connect-port', needs: ['kafka'] },
} as const satisfies Record<ComponentName, Component>

export const COMPONENT_NAMES: readonly ComponentName[] = ['postgres', 'unleash', 'kafka', 'connect']

/**
 * Reads `postgres,unleash` and adds what those need.
 *
 * @returns names in the order in which they start.
 * @throws FicusError FICUS_USAGE that names what is unknown.
 */
export function parseComponents(text: string): ComponentName[] {
  const wanted = text.split(',').map(name => name.trim())
  const unknown = wanted.filter(name => !COMPONENT_NAMES.some(known => known === name))
  if (unknown.length > 0) {
    throw new FicusError(
      'FICUS_USAGE',
      `--only names ${unknown.map(name => `"${name}"`).join(', ')}, which is no part`,
      {
        remedy: `The parts are ${COMPONENT_NAMES.join(', ')}.`,
      },
    )
  }
  const needed = (name: ComponentName) => COMPONENT_NAMES.some(o => wanted.includes(o) && needs(o).includes(name))
  return COMPONENT_NAMES.filter(name => wanted.includes(name) || needed(name))
}

function needs(name: ComponentName): readonly ComponentName[] {
  return COMPONENTS[name].needs
}

/**
 * Reads a TCP port. 0 takes a free one.
 *
 * @param setting where it was written, such as `--kafka-port`.
 * @throws FicusError FICUS_USAGE
 */
export function parsePort(text: string, setting: string): number {
  const port = Number(text)
  if (text.trim() !== '' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new FicusError('FICUS_USAGE', `${setting} is "${text}", which is no port`, {
    remedy: `Give ${setting} a number from 0 (any free port) to 65535.`,
  })
}
