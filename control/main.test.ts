import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
})

it('ends quietly where the reader of its output goes away, as `head` does', async () => {
  const { code, stderr } = await runCli(['--help'], tmpdir(), { stdout: 'closed' })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})
