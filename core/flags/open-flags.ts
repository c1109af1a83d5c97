import { join, resolve } from 'node:path'
import type { FlagsConfig } from '../config/schema.ts'
import { FicusError } from '../errors/ficus-error.ts'
import type { Logger } from '../log/logger.ts'
import { FileFlagAdmin } from './file-admin.ts'
import { FileFlags } from './file-flags.ts'
import type { FlagAdmin, Flags } from './flags.ts'
import { UnleashFlagAdmin } from './unleash-admin.ts'
import { UnleashFlags } from './unleash-flags.ts'

export interface OpenFlagsOptions {
  /** The config file's folder, which paths in it are relative to. */
  readonly directory: string
  /** Where this process keeps what it must know at its next start. */
  readonly stateDir: string
  readonly log?: Logger
}

/** The dials, read from where the config says; to be started as a part. */
export function openFlags(config: FlagsConfig, options: OpenFlagsOptions): Flags {
  const log = options.log === undefined ? {} : { log: options.log }
  if (config.provider === 'file') return new FileFlags(resolve(options.directory, config.path), log)
  return new UnleashFlags(config, { backupFile: join(options.stateDir, 'flags-backup.json'), ...log })
}

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
