import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileFlags } from '@ficus/core/flags/file-flags'
import { measureReactions } from '@ficus/core/flags/testing/reactions'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startEdge, type TestEdge } from '../testing/edge.ts'
import { startNamed, type TestUpstream } from '../testing/upstream.ts'
import { send, until } from '../testing/wire.ts'

const agent = new Agent({ keepAlive: true })
let folder: string
let file: string
let flags: FileFlags
let monolith: TestUpstream

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ficus-dials-'))
  file = join(folder, 'flags.json')
  flags = new FileFlags(file)
  monolith = await startNamed('any')
})

afterEach(async () => {
  await flags.stop()
  await monolith[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const dial = (percent: number) => writeFile(file, JSON.stringify({ 'ficus.catalog.read': percent }))
const side = async (edge: TestEdge) => (await send(`${edge.url}/items/1`, { agent })).headers['x-ficus-side']
const degraded = async (edge: TestEdge) => JSON.parse((await send(`${edge.managementUrl}/ready`)).text).degraded

describe('a dial in a file', () => {
  it('takes effect within 100 ms and without a restart', async () => {
    await dial(0)
    await flags.start()
    await using edge = await startEdge({ monolith: monolith.url, flags })
    expect(await side(edge)).toBe('monolith')

    const { median, stalled } = await measureReactions(
      [100, 0, 100, 0, 100, 0, 100],
      dial,
      async percent => (await side(edge)) === (percent === 100 ? 'service' : 'monolith'),
    )
    expect(median).toBeLessThan(100 + stalled)
  })

  it('invariant 12: stays as it was when the file is lost, and stands at 0 before there is one', async () => {
    await flags.start()
    await using edge = await startEdge({ monolith: monolith.url, flags })
    expect(await side(edge)).toBe('monolith')
    expect(await degraded(edge)).toEqual(['flags'])

    await dial(100)
    await until('the dial is read', async () => (await side(edge)) === 'service')
    expect(await degraded(edge)).toEqual([])

    await rm(file)
    await until('the loss is seen', async () => (await degraded(edge)).includes('flags'))
    expect(await side(edge)).toBe('service')
    expect((await send(`${edge.managementUrl}/metrics`)).text).toContain('ficus_edge_flags_up 0')
  })
})
