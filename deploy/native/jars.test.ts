import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { resolveJars } from './jars.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ficus-jars-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A Maven that does what the script says; `$folder` is where it is to put the jars. */
async function fakeMaven(script: string): Promise<string> {
  const command = join(folder, 'mvn')
  const head = `#!/bin/sh\nfor arg in "$@"; do case $arg in -DoutputDirectory=*) folder=\${arg#*=};; esac; done\n`
  await writeFile(command, head + script, { mode: 0o755 })
  return command
}

it('fetches a set once, and then finds it', async () => {
  const maven = await fakeMaven('touch "$folder/one.jar"')
  const source = { maven, folder: join(folder, 'jars') }
  const first = await resolveJars('kafka', () => {}, source)
  expect(await readdir(first)).toEqual(['one.jar'])
  const again = await resolveJars('kafka', () => {}, { ...source, maven: join(folder, 'none') })
  expect(again).toBe(first)
})

it('says in one line that there is no Maven, and in one what to do', async () => {
  const jars = join(folder, 'jars')
  const error = await resolveJars('kafka', () => {}, { maven: 'mvn-of-nobody', folder: jars }).catch(thrown => thrown)
  expect(error).toMatchObject({
    code: 'FICUS_COMPONENT_MISSING',
    exitCode: 2,
    message: 'Kafka and Debezium are fetched by Maven, and `mvn-of-nobody` is not on the PATH',
    remedy: expect.stringMatching(/^Install it \(Debian: `apt-get install default-jdk-headless maven`.*$/),
  })
  expect(await readdir(jars)).toEqual([])
})

it('leaves nothing behind where Maven fails, and says how to see why', async () => {
  const jars = join(folder, 'jars')
  const maven = await fakeMaven('touch "$folder/half.jar"; exit 1')
  await expect(resolveJars('kafka', () => {}, { maven, folder: jars })).rejects.toMatchObject({
    code: 'FICUS_COMPONENT_MISSING',
    message: expect.stringMatching(/^Maven cannot fetch the jars of .*pom\.xml$/),
    remedy: expect.stringMatching(/^See why: mvn --file .*pom\.xml dependency:copy-dependencies$/),
  })
  expect(await readdir(jars)).toEqual([])
})
