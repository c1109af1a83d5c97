import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { FileFlagAdmin } from './file-admin.ts'
import { FileFlags } from './file-flags.ts'
import { inRollout } from './flags.ts'
import { measureReactions } from './testing/reactions.ts'

const READ = 'ficus.catalog.read'
const KEYS = Array.from({ length: 200 }, (_, index) => `user-${index}`)

let folder: string
let path: string
let flags: FileFlags | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ficus-flags-'))
  path = join(folder, 'flags.json')
})

afterEach(async () => {
  await flags?.stop()
  flags = undefined
  await rm(folder, { recursive: true, force: true })
})

/** Only the watch may find a change within a test, unless it asks for the poll. */
async function start(pollMs = 60_000): Promise<FileFlags> {
  flags = new FileFlags(path, { pollMs })
  await flags.start()
  return flags
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 5_000, interval: 5 })

const share = (source: FileFlags) => KEYS.filter(key => source.isEnabled(READ, key)).length

it('answers each key by its flag’s rollout, and off for a flag that the file does not hold', async () => {
  await writeFile(path, '{"ficus.catalog.read": 25, "ficus.catalog.shadow": 100}')
  const source = await start()
  expect(KEYS.map(key => source.isEnabled(READ, key))).toEqual(KEYS.map(key => inRollout(READ, key, 25)))
  expect(source.isEnabled('ficus.catalog.shadow', 'anyone')).toBe(true)
  expect(source.isEnabled('ficus.orders.read', 'anyone')).toBe(false)
  expect(source.state()).toEqual({ provider: 'file', synchronizedAt: expect.any(Date), error: null })
})

it.each<[string, (rollout: number) => Promise<void>]>([
  ['written in place', rollout => writeFile(path, JSON.stringify({ [READ]: rollout }))],
  ['put in the old one’s place', rollout => new FileFlagAdmin(path).set(new Map([[READ, rollout]]))],
])('follows a file that is %s within 100 ms', async (_how, write) => {
  await write(0)
  const source = await start()
  const everybody = (rollout: number) => share(source) === (rollout / 100) * KEYS.length
  const { median, stalled } = await measureReactions([100, 0, 100, 0, 100, 0, 100], write, everybody)
  expect(median).toBeLessThan(100 + stalled)
})

it('follows a mounted ConfigMap, whose link is moved to another folder', async () => {
  for (const [version, rollout] of Object.entries({ v1: 0, v2: 100 })) {
    await mkdir(join(folder, version))
    await writeFile(join(folder, version, 'flags.json'), JSON.stringify({ [READ]: rollout }))
  }
  await symlink('v1', join(folder, '..data'))
  await symlink(join('..data', 'flags.json'), path)
  const source = await start()
  await symlink('v2', join(folder, '..data_tmp'))
  await rename(join(folder, '..data_tmp'), join(folder, '..data'))
  await until(() => expect(share(source)).toBe(KEYS.length))
})

it.each([
  ['is cut off', '{"ficus.catalog.read": 1', 'is not JSON'],
  ['is no object', '[25]', 'does not hold a JSON object'],
  [
    'holds what is no percentage',
    '{"ficus.catalog.read": 101, "ficus.catalog.shadow": "25", "ficus.orders.read": 2.5}',
    'ficus.catalog.read is 101, ficus.catalog.shadow is "25", ficus.orders.read is 2.5',
  ],
])('invariant 12: a file that %s keeps the last dials and says what is wrong', async (_what, text, says) => {
  await writeFile(path, '{"ficus.catalog.read": 100}')
  const source = await start()
  await writeFile(path, text)
  await until(() => expect(source.state().error?.code).toBe('FICUS_FLAGS_INVALID'))
  expect(source.state().error?.message).toContain(says)
  expect(source.state().error?.message).toContain(path)
  expect(share(source)).toBe(KEYS.length)

  await writeFile(path, '{"ficus.catalog.read": 0}')
  await until(() => expect(share(source)).toBe(0))
  expect(source.state().error).toBeNull()
})

it('invariant 12: a file that goes away keeps the last dials, and is found when it comes back', async () => {
  await writeFile(path, '{"ficus.catalog.read": 100}')
  const source = await start()
  await rm(path)
  await until(() => expect(source.state().error?.message).toBe(`there is no flag file ${path}`))
  expect(share(source)).toBe(KEYS.length)
  await writeFile(path, '{"ficus.catalog.read": 100}')
  await until(() => expect(source.state().error).toBeNull())
})

it('starts without a file, with every dial at 0, and finds it by the poll even in a folder that comes later', async () => {
  path = join(folder, 'later', 'flags.json')
  const source = await start(20)
  expect(source.state()).toEqual({
    provider: 'file',
    synchronizedAt: null,
    error: { code: 'FICUS_FLAGS_INVALID', message: `there is no flag file ${path}` },
  })
  expect(share(source)).toBe(0)
  await new FileFlagAdmin(path).set(new Map([[READ, 100]]))
  await until(() => expect(share(source)).toBe(KEYS.length))
})

it('follows nothing after stop, and may be stopped twice', async () => {
  await writeFile(path, '{}')
  const source = await start(10)
  await source.stop()
  await source.stop()
  await writeFile(path, '{"ficus.catalog.read": 100}')
  const other = new FileFlags(path)
  await other.start()
  await other.stop()
  expect(share(source)).toBe(0)
  expect(share(other)).toBe(KEYS.length)
})
