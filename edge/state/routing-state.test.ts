import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '@ficus/core/log/logger'
import { PHASE_RULES, type Phase } from '@ficus/core/phases/phase'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RoutingState } from './routing-state.ts'

const log = createLogger('test', 'silent')
let directory: string
let file: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ficus-state-'))
  file = join(directory, 'deep/routing.json')
})
afterEach(() => rm(directory, { recursive: true }))

const at = (name: string, phase: Phase, epoch: number) => ({
  name,
  phase,
  owner: PHASE_RULES[phase].owner,
  epoch,
  phaseSince: new Date(),
})

describe('RoutingState', () => {
  it('sends all to the monolith before it knows anything', () => {
    const state = new RoutingState(['catalog'], null, log)
    expect(state.get('catalog')).toEqual({ phase: 'legacy', owner: 'monolith', epoch: 0 })
    expect(state.health).toEqual({ origin: 'default', error: null })
  })

  it('knows its own capabilities and no others', () => {
    const state = new RoutingState(['catalog', 'orders'], null, log)
    state.changed([at('catalog', 'canary', 3), at('removed', 'extracted', 9)])
    expect(Object.fromEntries(state.snapshot)).toEqual({
      catalog: { phase: 'canary', owner: 'monolith', epoch: 3 },
      orders: { phase: 'legacy', owner: 'monolith', epoch: 0 },
    })
  })

  it('replaces the snapshot and changes no old one', () => {
    const state = new RoutingState(['catalog'], null, log)
    const before = state.snapshot
    state.changed([at('catalog', 'extracted', 1)])
    expect(before.get('catalog')?.phase).toBe('legacy')
    expect(state.get('catalog').phase).toBe('extracted')
  })

  it('invariant 12: goes on with the last state it knew, also in the next process', () => {
    const first = new RoutingState(['catalog'], file, log)
    first.changed([at('catalog', 'extracted', 7)])
    first.lost(new Error('gone'))
    expect(first.get('catalog').phase).toBe('extracted')
    expect(first.health).toMatchObject({ origin: 'ledger', error: { message: 'gone' } })

    const second = new RoutingState(['catalog'], file, log)
    expect(second.get('catalog')).toEqual({ phase: 'extracted', owner: 'service', epoch: 7 })
    expect(second.health).toEqual({ origin: 'file', error: null })
  })

  it('believes the ledger more than the file', () => {
    new RoutingState(['catalog'], file, log).changed([at('catalog', 'extracted', 7)])
    const state = new RoutingState(['catalog'], file, log)
    state.changed([at('catalog', 'legacy', 0)])
    expect(state.get('catalog').phase).toBe('legacy')
  })

  it.each(['', '{', '{"catalog":{"phase":"soon","owner":"monolith","epoch":1}}', '{"catalog":null}'])(
    'starts from legacy where the file holds %j',
    async text => {
      new RoutingState(['catalog'], file, log).changed([at('catalog', 'extracted', 7)])
      await writeFile(file, text)
      expect(new RoutingState(['catalog'], file, log).get('catalog').phase).toBe('legacy')
    },
  )

  it('goes on where the file cannot be written', async () => {
    await writeFile(join(directory, 'deep'), 'a file where the folder should be')
    const state = new RoutingState(['catalog'], file, log)
    state.changed([at('catalog', 'canary', 1)])
    expect(state.get('catalog').phase).toBe('canary')
    await expect(readFile(file)).rejects.toThrow()
  })
})
