import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FicusError, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { execa } from 'execa'
import { INSTALL_REMEDY } from './java.ts'
import { ROOT, STATE_DIR } from './state-dir.ts'

/** A folder below deploy/maven/ with a pom.xml that names what is wanted. */
export type JarSet = 'kafka' | 'debezium-postgres' | 'debezium-jdbc'

/** Tells how a download goes on. */
export type Progress = (line: string) => void

/** What fetches jars, and where they are kept. */
export interface JarSource {
  /** The command that runs Maven. */
  readonly maven: string
  readonly folder: string
}

const JAR_SOURCE: JarSource = { maven: 'mvn', folder: join(STATE_DIR, 'jvm') }

/**
 * The folder with the jars that a pom names and all they need. Maven fetches them once (about a minute); then they lie
 * in .ficus/jvm/ under a hash of the pom, so that a changed pom is fetched anew.
 *
 * @throws FicusError FICUS_COMPONENT_MISSING without Maven, or when Maven cannot fetch them.
 */
export async function resolveJars(
  set: JarSet,
  progress: Progress = () => {},
  source: JarSource = JAR_SOURCE,
): Promise<string> {
  const pom = join(ROOT, 'deploy', 'maven', set, 'pom.xml')
  const hash = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
  const folder = join(source.folder, `${set}-${hash.slice(0, 12)}`)
  if (await exists(folder)) return folder
  const unfinished = `${folder}.${process.pid}`
  await mkdir(unfinished, { recursive: true })
  try {
    await copyDependencies(source.maven, set, pom, unfinished, progress)
    // Another process may have fetched the same meanwhile: then its folder is as good as ours.
    await rename(unfinished, folder).catch(error => {
      if (systemCodeOf(error) !== 'ENOTEMPTY') throw error
    })
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  progress(`${set}: ${(await readdir(folder)).length} jars in ${folder}`)
  return folder
}

async function copyDependencies(
  command: string,
  set: JarSet,
  pom: string,
  folder: string,
  progress: Progress,
): Promise<void> {
  progress(`${set}: asking Maven for its jars (first run only) ...`)
  const args = ['--batch-mode', '--strict-checksums', '--file', pom, 'dependency:copy-dependencies']
  const maven = execa(command, [...args, `-DoutputDirectory=${folder}`, '-DincludeScope=runtime'], { all: true })
  let files = 0
  let told = Date.now()
  try {
    for await (const line of maven.iterable({ from: 'all' })) {
      if (!line.includes('Downloaded from')) continue
      files += 1
      if (Date.now() - told < 3_000) continue
      told = Date.now()
      progress(`${set}: ${files} files fetched ...`)
    }
  } catch (cause) {
    if (systemCodeOf(cause) === 'ENOENT') {
      throw new FicusError(
        'FICUS_COMPONENT_MISSING',
        `Kafka and Debezium are fetched by Maven, and \`${command}\` is not on the PATH`,
        { cause, remedy: INSTALL_REMEDY },
      )
    }
    throw new FicusError('FICUS_COMPONENT_MISSING', `Maven cannot fetch the jars of ${pom}`, {
      cause,
      remedy: `See why: mvn --file ${pom} dependency:copy-dependencies`,
    })
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
