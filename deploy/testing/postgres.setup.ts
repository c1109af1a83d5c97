import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import type { PostgresServer } from '../native/postgres.ts'
import { startThrowAwayPostgres } from './cluster.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The superuser's connection string of the cluster that all tests of this run share. */
    postgresUrl: string
  }
}

interface Shared {
  server: Promise<PostgresServer> | undefined
  users: number
}

declare global {
  /** One cluster for all projects of a run: each project loads this module anew, so it is kept beside the modules. */
  var ficusTestPostgres: Shared | undefined
}

globalThis.ficusTestPostgres ??= { server: undefined, users: 0 }
const shared = globalThis.ficusTestPostgres

/** The superuser's password is taken unseen: to prove it takes a third of a session's time, and tests open thousands. */
const ACCESS = `
host all,replication postgres 127.0.0.1/32 trust
host all,replication all 127.0.0.1/32 scram-sha-256
`

async function start(): Promise<PostgresServer> {
  const server = await startThrowAwayPostgres()
  await writeFile(join(server.dataDir, 'pg_hba.conf'), ACCESS)
  process.kill(server.pid, 'SIGHUP')
  return server
}

/** Vitest's global setup: starts the cluster for the first project that asks, stops it after the last. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared.users += 1
  shared.server ??= start()
  const server = await shared.server
  project.provide('postgresUrl', server.url())
  return async () => {
    shared.users -= 1
    if (shared.users > 0) return
    shared.server = undefined
    await server.stop()
  }
}
