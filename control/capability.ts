import type { LoadedConfig } from '@ficus/core/config/load-config'
import type { Capability } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'

/** A capability's settings. @throws FICUS_CAPABILITY_UNKNOWN */
export function capabilityOf({ file, migration: { capabilities } }: LoadedConfig, name: string): Capability {
  const config = Object.hasOwn(capabilities, name) ? capabilities[name] : undefined
  if (config !== undefined) return config
  throw new FicusError(
    'FICUS_CAPABILITY_UNKNOWN',
    `${file} has no capability ${JSON.stringify(name)}; it has ${Object.keys(capabilities).join(', ')}`,
  )
}

/** The named capability alone, or all of them. @throws FICUS_CAPABILITY_UNKNOWN */
export function capabilityNames(loaded: LoadedConfig, name: string | undefined): readonly string[] {
  if (name === undefined) return Object.keys(loaded.migration.capabilities)
  capabilityOf(loaded, name)
  return [name]
}
