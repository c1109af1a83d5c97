import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type PostgresServer, startPostgres } from '../native/postgres.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** Nothing in a test outlives a power cut, many tests leave an origin behind, and each opens dozens of sessions. */
const VOLATILE = {
  fsync: 'off',
  full_page_writes: 'off',
  max_wal_size: '4GB',
  shared_buffers: '256MB',
  max_active_replication_origins: '1000',
  scram_iterations: '1',
}

/**
 * A throw-away cluster on a free port with the project's own configuration; `settings` win over it. Its folder goes when
 * it is stopped.
 */
export async function startThrowAwayPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  const folder = await temporaryFolder()
  const server = await startPostgres({
    dataDir: join(folder, 'postgres'),
    port: 0,
    password: 'test',
    settings: { ...VOLATILE, ...settings },
  }).catch(async error => {
    await rm(folder, { recursive: true, force: true })
    throw error
  })
  const stop = async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
  return {
    get pid() {
      return server.pid
    },
    get ended() {
      return server.ended
    },
    port: server.port,
    dataDir: server.dataDir,
    url: server.url,
    createDatabase: server.createDatabase,
    kill: server.kill,
    restart: server.restart,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
