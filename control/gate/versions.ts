import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import type { Versions } from '@ficus/core/ledger/records'
import type { Control } from '../control.ts'
import { readHealth } from '../health/health.ts'
import { hasContracts, pactsVersion } from '../joint/contracts.ts'

/**
 * What runs now: the versions that the monolith and the service give in their health answers, and the hashes of the
 * sync file (itself, not what it imports) and of the capability's pacts. Evidence counts for exactly these (invariant 9).
 * @throws FICUS_SERVICE_UNREACHABLE, FICUS_CONFIG_INVALID where the sync file is missing, FICUS_PACT_MISSING where a file among
 *   the pacts is none.
 */
export async function gatherVersions(control: Control, capability: string, signal: AbortSignal): Promise<Versions> {
  const { migration, directory } = control.loaded
  const config = control.capability(capability)
  const [monolith, service, sync, pacts] = await Promise.all([
    readHealth('the monolith', migration.monolith.url, migration.monolith.health, signal),
    readHealth(`${capability}'s service`, config.service.url, config.service.health, signal),
    hashFile(resolve(directory, config.sync), `capabilities.${capability}.sync`),
    hasContracts(config) ? pactsVersion(control.loaded, capability, config) : null,
  ])
  return { monolith: monolith.version, service: service.version, sync, ...(pacts === null ? {} : { pacts }) }
}

async function hashFile(file: string, setting: string): Promise<string> {
  try {
    return `sha256:${createHash('sha256')
      .update(await readFile(file))
      .digest('hex')}`
  } catch (error) {
    throw missing(file, setting, error)
  }
}

function missing(path: string, setting: string, cause: unknown): FicusError {
  return new FicusError('FICUS_CONFIG_INVALID', `${setting}: ${path} cannot be read: ${messageOf(cause)}`, {
    cause,
    remedy: `Correct ${setting} in the config file, or put the file there.`,
  })
}
