import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { StoredSyncStatus } from '@ficus/core/ledger/records'
import { expect, it } from 'vitest'
import { dialEffects } from '../dial/dials.ts'
import { Terminal } from '../terminal/terminal.ts'
import type { CapabilityStatus, Status } from './gather.ts'
import { renderStatus } from './render.ts'

const now = new Date('2026-01-01T10:00:00Z')
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1_000)

const sync: StoredSyncStatus & { ageSeconds: number } = {
  direction: 'forward',
  engine: 'postgres',
  state: 'streaming',
  copiedRows: 5_200,
  estimatedRows: 5_000,
  appliedRows: 1,
  parked: 0,
  lagRows: 1,
  lagSeconds: 0.34,
  position: '0/1',
  error: null,
  worker: 'w',
  reportedAt: ago(1),
  ageSeconds: 1,
}
const canary: CapabilityStatus = {
  state: { name: 'books', phase: 'canary', owner: 'monolith', epoch: 3, phaseSince: ago(300) },
  dials: dialEffects('canary', { read: 25, shadow: 100 }),
  dialsError: null,
  sync,
  gates: [
    {
      id: 1,
      gate: 'data',
      verdict: 'fail',
      summary: '5,200 rows of 2 tables compared, 1 row differs; most in a -> b',
      evidence: {},
      versions: {},
      measuredAt: ago(45),
    },
  ],
  traffic: { monolith: { requests: 751, errors: 1 }, service: { requests: 249, errors: 0 } },
}

async function shown(capability: Partial<CapabilityStatus>, edges: Status['edges'] = []): Promise<string> {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  const said = text(streams.stdout)
  renderStatus({ now, capabilities: [{ ...canary, ...capability }], edges }, new Terminal(streams, false, {}))
  streams.stdout.end()
  return said
}

it('shows phase, owner, dials, sync, traffic, edges and gates', async () => {
  const edges = [
    { id: 'e1', epochs: { books: 3 } },
    { id: 'e2', epochs: { books: 2 } },
  ]
  expect(await shown({}, edges)).toMatchInlineSnapshot(`
    "books  canary since 5 min
      writes   monolith (epoch 3)
      read     25 %
      shadow   100 %
      sync     forward, streaming by postgres: 1 row, 0.3 s behind; 1 row applied
      traffic  monolith 75 % (751, 1 error), service 25 % (249, 0 errors) in the last 5 min
      edges    2 live, 1 not at epoch 3 yet

      gate  verdict  measured
      data  fail     45 s ago  5,200 rows of 2 tables compared, 1 row differs; most in a -> b
    "
  `)
})

const lost = { code: 'FICUS_SLOT_LOST', message: 'slot ficus_x is lost', remedy: '' }

it.each<[string, Partial<CapabilityStatus>, string]>([
  ['never reported', { sync: null }, 'sync     no sync process has ever reported'],
  ['copying', { sync: { ...sync, state: 'copying' } }, 'copying: 5,200 of about 5,200 rows (100 %)'],
  ['failed', { sync: { ...sync, state: 'failed', error: lost } }, 'failed: FICUS_SLOT_LOST slot ficus_x is lost'],
  ['parked', { sync: { ...sync, parked: 3 } }, '1 row applied; 3 changes parked'],
  [
    'a slot that the server will not keep for long',
    {
      sync: { ...sync, state: 'failed', error: lost, slot: { walStatus: 'extended', keptBytes: 9e8, leftBytes: 1e8 } },
    },
    'slot     nearly lost (extended): the server keeps 900 MB of log for it, and gives it up after 100 MB more',
  ],
  ['dropped', { sync: { ...sync, state: 'dropped' } }, 'sync     none: no slot, no copied rows'],
  ['silent', { sync: { ...sync, ageSeconds: 34 } }, 'applied; no sync process has reported for 34 s'],
  [
    'flags that cannot be read',
    { dials: null, dialsError: new FicusError('FICUS_FLAGS_UNREACHABLE', 'the flag server is away') },
    'dials    the flag server is away',
  ],
  [
    'a dial past its phase',
    { dials: dialEffects('shadowing', { read: 25, shadow: null }) },
    '25 % set, 0 % in effect: in shadowing all reads go to the monolith\n  shadow   no flag',
  ],
  ['no edges', {}, 'edges    none has reported lately'],
])('%s', async (_name, capability, words) => {
  expect(await shown(capability)).toContain(words)
})

it.each<[string, number | null]>([
  ['without a limit', null],
  ['with room', 1e9],
])('says nothing of a slot %s', async (_name, leftBytes) => {
  const slot = { walStatus: 'extended', keptBytes: 9e8, leftBytes }
  expect(await shown({ sync: { ...sync, slot } })).not.toContain('slot  ')
})
