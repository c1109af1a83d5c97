import pg from 'pg'
import { expect, inject, it } from 'vitest'
import { createDatabase, startTestPostgres } from './postgres.ts'

async function rows(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  const result = await client.query(sql)
  await client.end()
  return result.rows
}

it('makes a fresh database that can decode its changes', async () => {
  await using database = await createDatabase('fresh')
  expect(await rows(database.url, 'SELECT current_database() AS name')).toEqual([{ name: database.name }])
  expect(await rows(database.url, 'SHOW wal_level')).toEqual([{ wal_level: 'logical' }])
})

it('drops the database with its sessions and slots', async () => {
  const admin = inject('postgresUrl')
  const database = await createDatabase('gone')
  const session = new pg.Client({ connectionString: database.url })
  const ended = new Promise(resolve => session.on('error', resolve))
  await session.connect()
  await session.query(`SELECT pg_create_logical_replication_slot('${database.name}', 'pgoutput')`)

  await database[Symbol.asyncDispose]()

  await ended
  expect(await rows(admin, `SELECT 1 FROM pg_database WHERE datname = '${database.name}'`)).toEqual([])
  expect(await rows(admin, `SELECT 1 FROM pg_replication_slots WHERE slot_name = '${database.name}'`)).toEqual([])
})

it('starts a cluster of its own with other settings', async () => {
  await using server = await startTestPostgres({ wal_level: 'replica' })
  expect(await rows(server.url(), 'SHOW wal_level')).toEqual([{ wal_level: 'replica' }])
  expect(server.url()).not.toBe(inject('postgresUrl'))
})
