import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { runCli } from './testing/cli.ts'

it('ends with the exit code of its command, and says the answer and what went wrong on two streams', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ficus-cli-'))
  await writeFile(join(folder, 'ficus.config.ts'), 'export default { name: "X" }')
  const [help, unknown, broken] = await Promise.all(
    [['status', '--help'], ['status', '--loud'], ['check']].map(args => runCli(args, folder)),
  ).finally(() => rm(folder, { recursive: true }))

  expect(help).toEqual({ code: 0, stdout: expect.stringContaining('Example:'), stderr: '' })
  expect(unknown).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining("unknown option '--loud'") })
  expect(broken).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining('ficus.config.ts has ') })
}, 30_000)

it('ends quietly where the reader of its output goes away, as `head` does', async () => {
  const { code, stderr } = await runCli(['--help'], tmpdir(), { stdout: 'closed' })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
}, 30_000)

it('loads the clients of Kafka, Unleash and load tests only where they are used: help is asked often', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ficus-cli-'))
  const hook = join(folder, 'hook.mjs')
  await writeFile(
    hook,
    `import { registerHooks } from 'node:module'
     registerHooks({ load(url, context, next) {
       const name = /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)
       if (name !== null) console.error(name[1])
       return next(url, context)
     } })`,
  )
  const env = { NODE_OPTIONS: `--import=${pathToFileURL(hook)}` }
  const { code, stderr } = await runCli(['--help'], folder, { env }).finally(() => rm(folder, { recursive: true }))
  const loaded = new Set(stderr.split('\n'))
  expect(code).toBe(0)
  expect(loaded).toContain('commander')
  expect(['kafkajs', 'unleash-client', 'autocannon'].filter(name => loaded.has(name))).toEqual([])
}, 30_000)
