import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FileFlagAdmin } from './file-admin.ts'

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ficus-flags-'))
  path = join(folder, 'flags.json')
})

afterEach(() => rm(folder, { recursive: true, force: true }))

it('creates the file, sets what it is told, keeps the rest, and leaves nothing beside it', async () => {
  const admin = new FileFlagAdmin(path)
  await admin.set(
    new Map([
      ['ficus.catalog.read', 10],
      ['ficus.catalog.shadow', 100],
    ]),
  )
  await admin.set(new Map([['ficus.catalog.read', 25]]))
  expect(await readFile(path, 'utf8')).toBe('{\n  "ficus.catalog.read": 25,\n  "ficus.catalog.shadow": 100\n}\n')
  expect(await readdir(folder)).toEqual(['flags.json'])
  expect([...(await admin.read(['ficus.catalog.read', 'ficus.orders.read']))]).toEqual([
    ['ficus.catalog.read', 25],
    ['ficus.orders.read', null],
  ])
})

it('reads a file that is not there as one without flags', async () => {
  expect([...(await new FileFlagAdmin(path).read(['ficus.catalog.read']))]).toEqual([['ficus.catalog.read', null]])
})

it.each([-1, 101, 12.5, Number.NaN])('invariant 13: refuses %s percent and sets nothing', async rollout => {
  const wished = new Map([
    ['ficus.catalog.shadow', 100],
    ['ficus.catalog.read', rollout],
  ])
  await expect(new FileFlagAdmin(path).set(wished)).rejects.toMatchObject({
    code: 'FICUS_FLAGS_INVALID',
    message: `cannot set ficus.catalog.read to ${rollout}`,
    remedy: 'Give a whole percentage from 0 to 100.',
  })
  expect(await readdir(folder)).toEqual([])
})

it('does not replace a file that it cannot understand', async () => {
  await writeFile(path, '{oops')
  await expect(new FileFlagAdmin(path).set(new Map([['ficus.catalog.read', 1]]))).rejects.toMatchObject({
    code: 'FICUS_FLAGS_INVALID',
  })
  expect(await readFile(path, 'utf8')).toBe('{oops')
})
