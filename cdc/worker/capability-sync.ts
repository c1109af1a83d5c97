import { resolve } from 'node:path'
import type { LoadedConfig } from '@ficus/core/config/load-config'
import type { Triggers } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Endpoint } from '../database/session.ts'
import type { Direction, Sync } from '../mapping/flow.ts'
import { loadSync } from '../mapping/parse-sync.ts'

/** The databases of a capability's sync in one direction. */
export interface SyncEndpoints {
  readonly source: Endpoint
  readonly target: Endpoint
}

/** @throws FICUS_CAPABILITY_UNKNOWN */
export function endpointsOf(loaded: LoadedConfig, capability: string, direction: Direction): SyncEndpoints {
  const { monolith } = loaded.migration
  const { service } = capabilityOf(loaded, capability)
  const monolithEnd = { url: monolith.database.url, name: 'the monolith’s database' }
  const serviceEnd = { url: service.database.url, name: `the database of ${capability}’s service` }
  return direction === 'forward'
    ? { source: monolithEnd, target: serviceEnd }
    : { source: serviceEnd, target: monolithEnd }
}

/** Whether triggers and foreign keys of the tables that `direction` writes to act. @throws FICUS_CAPABILITY_UNKNOWN */
export function triggersOf(loaded: LoadedConfig, capability: string, direction: Direction): Triggers {
  return capabilityOf(loaded, capability).triggers[direction]
}

/** Reads the capability's sync file. @throws FICUS_CAPABILITY_UNKNOWN, FICUS_MAPPING_INVALID */
export async function loadSyncOf(loaded: LoadedConfig, capability: string): Promise<Sync> {
  return loadSync(resolve(loaded.directory, capabilityOf(loaded, capability).sync))
}

function capabilityOf(loaded: LoadedConfig, capability: string): LoadedConfig['migration']['capabilities'][string] {
  const found = loaded.migration.capabilities[capability]
  if (found !== undefined) return found
  throw new FicusError('FICUS_CAPABILITY_UNKNOWN', `${loaded.file} has no capability ${JSON.stringify(capability)}`)
}
