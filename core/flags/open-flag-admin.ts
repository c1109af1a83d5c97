import { resolve } from 'node:path'
import type { FlagsConfig } from '../config/schema.ts'
import { FicusError } from '../errors/ficus-error.ts'
import { FileFlagAdmin } from './file-admin.ts'
import type { FlagAdmin } from './flags.ts'
import { UnleashFlagAdmin } from './unleash-admin.ts'

/** Sets the dials where the config says. @throws FICUS_FLAGS_REFUSED where the config holds no admin token. */
export function openFlagAdmin(config: FlagsConfig, { directory }: { readonly directory: string }): FlagAdmin {
  if (config.provider === 'file') return new FileFlagAdmin(resolve(directory, config.path))
  const { adminToken } = config
  if (adminToken === undefined) {
    throw new FicusError('FICUS_FLAGS_REFUSED', `the config has no flags.adminToken for ${config.url}`, {
      remedy: 'Add flags.adminToken, an admin token of the Unleash server; only setting and listing dials needs it.',
    })
  }
  return new UnleashFlagAdmin({ ...config, adminToken })
}
