import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chooseJava, findJava, parseJavaVersion } from './java.ts'

it.each([
  ['openjdk version "25.0.3" 2026-04-21 LTS', 25],
  ['openjdk version "17" 2021-09-14', 17],
  ['java version "1.8.0_402"', 8],
  ['JAVA_VERSION="21.0.2"', 21],
  ['command not found', undefined],
])('reads %s as %s', (text, version) => {
  expect(parseJavaVersion(text)).toBe(version)
})

it('chooses the newest that is new enough', () => {
  const java = (version: number) => ({ command: `java${version}`, version })
  expect(chooseJava([java(17), java(25), java(21)])).toEqual(java(25))
  expect(chooseJava([java(8), java(11)])).toBeUndefined()
})

describe('findJava', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ficus-java-'))
    await installJava(join(folder, 'jvm', 'old'), '1.8.0_402')
    await installJava(join(folder, 'jvm', 'newer'), '21.0.2')
    await installJava(join(folder, 'jvm', 'new'), '17')
    await installJava(join(folder, 'home'), '17.0.1')
    await mkdir(join(folder, 'bin'))
    await writeFile(join(folder, 'bin', 'java'), `#!/bin/sh\necho 'openjdk version "25.0.3"' >&2\n`, { mode: 0o755 })
  })
  afterAll(() => rm(folder, { recursive: true }))

  const find = (places: { env?: NodeJS.ProcessEnv; jvm?: string }) =>
    findJava({ env: places.env ?? {}, jvmFolder: join(folder, places.jvm ?? 'nowhere') })

  it('takes JAVA_HOME first', async () => {
    const java = await find({ env: { JAVA_HOME: join(folder, 'home') }, jvm: 'jvm' })
    expect(java).toEqual({ command: join(folder, 'home', 'bin', 'java'), version: 17 })
  })

  it.each(['nowhere', 'jvm/old'])('passes over a JAVA_HOME such as %s and takes the newest installed', async home => {
    const env = { JAVA_HOME: join(folder, home), PATH: join(folder, 'bin') }
    expect(await find({ env, jvm: 'jvm' })).toEqual({ command: join(folder, 'jvm/newer/bin/java'), version: 21 })
  })

  it('takes the one on the PATH where no other is', async () => {
    expect(await find({ env: { PATH: join(folder, 'bin') } })).toEqual({ command: 'java', version: 25 })
  })

  it('says in one line that there is none, and in one what to do', async () => {
    const error = await find({ env: { PATH: join(folder, 'home') } }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'FICUS_COMPONENT_MISSING',
      exitCode: 2,
      message: `Kafka needs Java 17 or newer: none under JAVA_HOME, under ${folder}/nowhere or on the PATH`,
      remedy: expect.stringMatching(/^Install it \(Debian: `apt-get install default-jdk-headless maven`.*$/),
    })
  })
})

/** As far as `findJava` looks: a Java's folder has a file that names its version. */
async function installJava(home: string, version: string): Promise<void> {
  await mkdir(home, { recursive: true })
  await writeFile(join(home, 'release'), `IMPLEMENTOR="Test"\nJAVA_VERSION="${version}"\n`)
}
