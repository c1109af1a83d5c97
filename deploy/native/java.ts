import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { execa } from 'execa'

/** Kafka 4's servers and Debezium 3 need at least this. */
const OLDEST = 17
const JVM_FOLDER = '/usr/lib/jvm'

export const INSTALL_REMEDY =
  "Install it (Debian: `apt-get install default-jdk-headless maven`, macOS: `brew install openjdk maven`), or do without: `cdc.engine: 'postgres'` needs neither."

/** A Java to run servers with. */
export interface Java {
  readonly command: string
  /** The feature release, such as 25. */
  readonly version: number
}

/** `"25.0.3"` and `"17"` say 25 and 17; the old form `"1.8.0_402"` says 8. `undefined` for anything else. */
export function parseJavaVersion(text: string): number | undefined {
  const match = /"(?:1\.)?(\d+)[^"]*"/.exec(text)
  return match?.[1] === undefined ? undefined : Number(match[1])
}

/** The newest that is new enough. */
export function chooseJava(candidates: readonly Java[]): Java | undefined {
  return candidates.filter(java => java.version >= OLDEST).toSorted((a, b) => b.version - a.version)[0]
}

/** Where a Java or Maven may be. */
export interface JavaPlaces {
  /** Its `JAVA_HOME` and `PATH`. */
  readonly env: NodeJS.ProcessEnv
  /** Holds a folder for each installed Java. */
  readonly jvmFolder: string
}

/** Where they are on this machine; `FICUS_JVM_FOLDER` names another folder of Javas than Debian's. */
export function javaPlaces(env: NodeJS.ProcessEnv = process.env): JavaPlaces {
  return { env, jvmFolder: env.FICUS_JVM_FOLDER ?? JVM_FOLDER }
}

/**
 * Finds Java: `JAVA_HOME` if that is new enough, else the newest in the folder of Javas, else the one on the PATH.
 *
 * @throws FicusError FICUS_COMPONENT_MISSING when there is none from release 17 on.
 */
export async function findJava(places: JavaPlaces = javaPlaces()): Promise<Java> {
  const { env, jvmFolder } = places
  const home = env.JAVA_HOME ? await javaIn(env.JAVA_HOME) : []
  const java = chooseJava(home) ?? chooseJava(await installedIn(jvmFolder)) ?? chooseJava(await onPath(env))
  if (java) return java
  throw new FicusError(
    'FICUS_COMPONENT_MISSING',
    `Kafka needs Java ${OLDEST} or newer: none under JAVA_HOME, under ${jvmFolder} or on the PATH`,
    { remedy: INSTALL_REMEDY },
  )
}

async function installedIn(jvmFolder: string): Promise<Java[]> {
  const folders = await readdir(jvmFolder).catch(() => [])
  const found = await Promise.all(folders.map(folder => javaIn(join(jvmFolder, folder))))
  return found.flat()
}

/** A Java's folder names its version in a file `release`, which is quicker than to start it. */
async function javaIn(home: string): Promise<Java[]> {
  const release = await readFile(join(home, 'release'), 'utf8').catch(() => '')
  const line = release.split('\n').find(entry => entry.startsWith('JAVA_VERSION='))
  const version = parseJavaVersion(line ?? '')
  return version === undefined ? [] : [{ command: join(home, 'bin', 'java'), version }]
}

async function onPath(env: NodeJS.ProcessEnv): Promise<Java[]> {
  const result = await execa('java', ['-version'], { reject: false, env, extendEnv: false })
  const version = parseJavaVersion(result.stderr)
  return result.exitCode === 0 && version !== undefined ? [{ command: 'java', version }] : []
}
