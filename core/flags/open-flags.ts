import { join, resolve } from 'node:path'
import type { FlagsConfig } from '../config/schema.ts'
import type { Logger } from '../log/logger.ts'
import { FileFlags } from './file-flags.ts'
import type { Flags } from './flags.ts'
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
