import { SyncProcess } from '@ficus/cdc/worker/sync-process'
import { createLogger } from '@ficus/core/log/logger'
import type { TestMigration } from './migration.ts'

/** The real sync process, in this one; `await using` stops it. */
export async function startSync(migration: TestMigration): Promise<AsyncDisposable> {
  const sync = new SyncProcess(await migration.load(), createLogger('sync', 'silent'))
  await sync.start()
  return { [Symbol.asyncDispose]: () => sync.stop() }
}
