import type { LoadedConfig } from '@ficus/core/config/load-config'
import { FicusError } from '@ficus/core/errors/ficus-error'

/** The named capability alone, or all of them. @throws FICUS_CAPABILITY_UNKNOWN */
export function knownCapabilities(loaded: LoadedConfig, name: string | undefined): readonly string[] {
  const names = Object.keys(loaded.migration.capabilities)
  if (name === undefined) return names
  if (names.includes(name)) return [name]
  throw new FicusError(
    'FICUS_CAPABILITY_UNKNOWN',
    `${loaded.file} has no capability ${JSON.stringify(name)}; it has ${names.join(', ')}`,
  )
}
