import { readFile, writeFile } from 'node:fs/promises'
import { execa } from 'execa'

/** The version that npm installs; deploy/postgres/postgresql.conf is written for it. */
export const BUNDLED_MAJOR = 18

/** The major version of a server program. */
export async function majorVersion(postgres: string): Promise<number> {
  const { stdout } = await execa`${postgres} --version`
  return Number(/(\d+)(\.|devel|beta|rc)/.exec(stdout)?.[1] ?? BUNDLED_MAJOR)
}

/** `initdb`'s arguments for the C.UTF-8 that is the same on every machine; before 17 that is C, which knows ASCII only. */
export function localeArguments(major: number): string[] {
  if (major < 17) return ['--locale=C']
  return ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
}

const ORIGINS = 'max_active_replication_origins'
const SLOTS = 'max_replication_slots'
const ITERATIONS = 'scram_iterations'

/**
 * Settings that `major` knows: before 18 the number of slots is the number of replication origins too, and before 16 that of
 * a password's iterations is fixed.
 */
export function settingsFor(major: number, settings: Readonly<Record<string, string>>): Record<string, string> {
  const { [ORIGINS]: origins, [ITERATIONS]: iterations, ...others } = settings
  return {
    ...(origins === undefined ? {} : { [major >= BUNDLED_MAJOR ? ORIGINS : SLOTS]: origins }),
    ...(iterations === undefined || major < 16 ? {} : { [ITERATIONS]: iterations }),
    ...others,
  }
}

/** The configuration file for `major`: `file` itself, or a copy at `copy` without what that server does not know. */
export async function configFileFor(major: number, file: string, copy: string): Promise<string> {
  if (major >= BUNDLED_MAJOR) return file
  const text = await readFile(file, 'utf8')
  await writeFile(copy, text.replaceAll(new RegExp(`^${ORIGINS}.*$`, 'gm'), ''))
  return copy
}
