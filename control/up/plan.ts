import type { LoadedConfig } from '@ficus/core/config/load-config'
import type { LocalConfig, Migration } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'

/** A TCP port that something of ours will listen on, and the setting that says so. */
export interface PortUse {
  readonly port: number
  readonly name: string
  readonly setting: string
}

/** The config's `local` section. @throws FICUS_CONFIG_INVALID where it is missing, or does not fit the rest. */
export function localOf({ file, migration }: LoadedConfig): LocalConfig {
  const { local, flags } = migration
  if (local === undefined) {
    throw new FicusError('FICUS_CONFIG_INVALID', `${file} has no section local, which says what to start`, {
      remedy: 'Add local: { postgres: {}, processes: [{ name, command, ready }] } for what is to run on this machine.',
    })
  }
  if (local.unleash !== undefined && flags.provider !== 'unleash') {
    throw new FicusError('FICUS_CONFIG_INVALID', `${file}: local.unleash is to start, but flags.provider is a file`, {
      remedy: 'Delete local.unleash, or set flags.provider to unleash.',
    })
  }
  if (local.unleash !== undefined && local.postgres === undefined) {
    throw new FicusError(
      'FICUS_CONFIG_INVALID',
      `${file}: local.unleash needs a database, and local.postgres is missing`,
      {
        remedy: 'Add local.postgres, or start Unleash yourself and delete local.unleash.',
      },
    )
  }
  return local
}

/** Every port that `ficus up` is going to use, in the order in which things start. */
export function portsOf({ edge, cdc }: Migration, local: LocalConfig): PortUse[] {
  const uses: PortUse[] = []
  const use = (port: number, name: string, setting: string) => {
    if (port !== 0) uses.push({ port, name, setting })
  }
  if (local.postgres) use(local.postgres.port, 'PostgreSQL', 'local.postgres.port')
  if (local.unleash) use(local.unleash.port, 'Unleash', 'local.unleash.port')
  if (local.kafka && cdc.engine === 'debezium') {
    use(local.kafka.port, 'Kafka', 'local.kafka.port')
    use(local.kafka.connectPort, 'Kafka Connect', 'local.kafka.connectPort')
  }
  local.processes.forEach((process, index) => {
    use(portOf(process.ready), process.name, `local.processes[${index}].ready`)
  })
  use(edge.listen.port, 'the edge', 'edge.listen.port')
  use(edge.management.port, "the edge's management", 'edge.management.port')
  use(cdc.management.port, "sync's management", 'cdc.management.port')
  return uses
}

/** @throws FICUS_PORT_TAKEN where two settings name the same port. */
export function refuseSharedPorts(uses: readonly PortUse[]): void {
  for (const [index, use] of uses.entries()) {
    const first = uses.slice(0, index).find(({ port }) => port === use.port)
    if (first === undefined) continue
    throw new FicusError(
      'FICUS_PORT_TAKEN',
      `${use.name} cannot listen on ${use.port}: ${first.name} is to listen there too`,
      { remedy: `Change ${use.setting} or ${first.setting}.` },
    )
  }
}

/** How the local PostgreSQL is entered, and which databases it is to hold. */
export interface LocalDatabases {
  readonly user: string
  readonly password: string
  readonly names: readonly string[]
}

/** Unleash keeps its flags here. */
export const UNLEASH_DATABASE = 'unleash'

/** Every database that the config expects on the local PostgreSQL; its user and password are those of the addresses. */
export function databasesOf(migration: Migration, local: LocalConfig): LocalDatabases {
  const port = local.postgres?.port
  const addresses = [
    migration.ledger.url,
    migration.monolith.database.url,
    ...Object.values(migration.capabilities).map(({ service }) => service.database.url),
  ]
    .map(url => new URL(url))
    .filter(url => isLocal(url.href) && portOf(url.href) === port)
  const [first] = addresses
  const names = [
    ...(local.postgres?.databases ?? []),
    ...addresses.map(({ pathname }) => decodeURIComponent(pathname.slice(1))),
    ...(local.unleash === undefined ? [] : [UNLEASH_DATABASE]),
  ]
  return {
    user: decodeURIComponent(first?.username || 'postgres'),
    password: decodeURIComponent(first?.password || 'postgres'),
    names: [...new Set(names)],
  }
}

/** The port of an address; a web address without one has the port of its scheme. */
export function portOf(url: string): number {
  const { port, protocol } = new URL(url)
  if (port !== '') return Number(port)
  return protocol === 'https:' ? 443 : protocol === 'http:' ? 80 : 5432
}

function isLocal(url: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)
}
