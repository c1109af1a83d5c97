import { Ledger } from '@ficus/core/ledger/ledger'
import type { Phase } from '@ficus/core/phases/phase'
import { expect, vi } from 'vitest'
import type { SyncInput } from '../mapping/define-sync.ts'
import { createSyncFolder, type SyncFolder } from './sync-child.ts'
import { createHarness, type SyncHarness, type TestDatabase } from './sync-harness.ts'

/** Two databases, a ledger, and sync processes that follow it, as an operator would have them. */
export interface ProcessHarness extends AsyncDisposable {
  readonly sync: SyncHarness
  readonly ledger: Ledger
  readonly ledgerUrl: string
  readonly folder: SyncFolder
  /** Writes another phase into the ledger, whatever it was. */
  move(to: Phase): Promise<void>
  /** Waits until a sync process has reported this. */
  reports(status: Readonly<Record<string, unknown>>): Promise<void>
  /** A folder with the same databases and another ledger. */
  folderWith(ledgerUrl: string): Promise<SyncFolder>
}

export async function createProcessHarness(
  createDatabase: (prefix: string) => Promise<TestDatabase>,
  sourceSql: string,
  targetSql: string,
  syncInput: SyncInput,
  capability: Readonly<Record<string, unknown>> = {},
): Promise<ProcessHarness> {
  const sync = await createHarness(createDatabase, sourceSql, targetSql, syncInput)
  const ledgerDatabase = await createDatabase('ledger')
  const ledger = await Ledger.open(ledgerDatabase.url, ['catalog'])
  const folders: SyncFolder[] = []
  const folderWith = async (ledgerUrl: string) => {
    const urls = { monolithUrl: sync.source.url, serviceUrl: sync.target.url, ledgerUrl }
    const folder = await createSyncFolder({ ...urls, sync: syncInput, capability })
    folders.push(folder)
    return folder
  }
  return {
    sync,
    ledger,
    ledgerUrl: ledgerDatabase.url,
    folder: await folderWith(ledgerDatabase.url),
    folderWith,
    move: async to => {
      const { epoch } = await ledger.capability('catalog')
      await ledger.move({ capability: 'catalog', epoch, to, actor: 'test', action: 'move', reason: null, evidence: {} })
    },
    reports: async status => {
      const { phaseSince } = await ledger.capability('catalog')
      await vi.waitFor(
        async () => {
          const report = await ledger.syncStatus('catalog')
          expect(report).toMatchObject(status)
          expect(report?.reportedAt.getTime()).toBeGreaterThanOrEqual(phaseSince.getTime())
        },
        { timeout: 90_000, interval: 50 },
      )
    },
    [Symbol.asyncDispose]: async () => {
      for (const folder of folders) await folder[Symbol.asyncDispose]()
      await ledger.close()
      await sync[Symbol.asyncDispose]()
      await ledgerDatabase[Symbol.asyncDispose]()
    },
  }
}
