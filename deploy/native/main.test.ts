import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { runStack } from '../testing/stack-process.ts'
import { COMPONENT_NAMES, COMPONENTS } from './components.ts'

it('says that there is no Java, what to do, and nothing else, before anything starts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ficus-stack-'))
  const ports = COMPONENT_NAMES.flatMap(name => [COMPONENTS[name].flag, '0'])
  const env = { PATH: folder, FICUS_JVM_FOLDER: folder, NO_COLOR: '1' }
  const stack = runStack(['--state', join(folder, 'stack'), ...ports], env)
  const exited = once(stack, 'exit')
  const [output, errors] = await Promise.all([text(stack.stdout), text(stack.stderr)])
  expect(output).toBe('')
  expect(errors.split('\n')).toEqual([
    `FICUS_COMPONENT_MISSING  Kafka needs Java 17 or newer: none under JAVA_HOME, under ${folder} or on the PATH`,
    expect.stringMatching(/^ {2}what to do: Install it \(Debian: `apt-get install default-jdk-headless maven`/),
    '',
  ])
  expect(await exited).toEqual([2, null])
  expect(existsSync(join(folder, 'stack'))).toBe(false)
  await rm(folder, { recursive: true })
})
