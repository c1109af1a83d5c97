import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { temporaryFolder } from './temporary-folder.ts'

it('removes the folders of processes that are gone, and no other', async () => {
  const gone = join(tmpdir(), `ficus-test-${spawnSync('true').pid}-left`)
  await mkdir(join(gone, 'postgres'), { recursive: true })
  const first = await temporaryFolder()
  const second = await temporaryFolder()
  expect([gone, first, second].map(folder => existsSync(folder))).toEqual([false, true, true])
  expect((await stat(first)).mode & 0o777).toBe(0o711)
  for (const folder of [first, second]) await rm(folder, { recursive: true })
})
