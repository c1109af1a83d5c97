import { createDatabase, type TestDatabase } from '@ficus/deploy/testing/postgres'
import fc from 'fast-check'
import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect } from '../ledger/connection.ts'
import { parseTableName, quoteIdentifier, quoteTable } from './identifier.ts'

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await createDatabase('identifiers')
  client = await connect(database.url, 'the test database')
})

afterAll(async () => {
  await client?.end()
  await database?.[Symbol.asyncDispose]()
})

const names = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    fc.string({ unit: fc.constantFrom('"', "'", '\\', '.', '$', ';', '-', ' ', 'A', 'a', '\n', '%', '?') }),
  )
  .filter(name => name !== '' && !name.includes('\0') && Buffer.byteLength(name) <= 63)

it('PostgreSQL’s parser reads every quoted name as the name', async () => {
  await fc.assert(
    fc.asyncProperty(names, async name => {
      const { fields } = await client.query(`SELECT 1 AS ${quoteIdentifier(name)}`)
      expect(fields.map(field => field.name)).toEqual([name])
    }),
  )
})

it('PostgreSQL’s parser reads every quoted table as its schema and table', async () => {
  await fc.assert(
    fc.asyncProperty(names, names, async (schema, table) => {
      const { rows } = await client.query('SELECT parse_ident($1) AS parts', [quoteTable({ schema, table })])
      expect(rows).toEqual([{ parts: [schema, table] }])
    }),
  )
})

it('an unquoted name finds the table that PostgreSQL finds by it', async () => {
  await client.query(`CREATE SCHEMA Größe; CREATE TABLE Größe.ÉTAGE_Nummer (); CREATE TABLE "Mixed" ()`)
  for (const text of ['Größe.ÉTAGE_Nummer', 'GRöße.Étage_nummer', '"Mixed"', 'mixed']) {
    const found = await client.query('SELECT to_regclass($1)::oid AS oid', [text])
    const ours = await client.query('SELECT to_regclass($1)::oid AS oid', [quoteTable(parseTableName(text))])
    expect(ours.rows).toEqual(found.rows)
  }
  const { rows } = await client.query('SELECT to_regclass($1) IS NOT NULL AS found', [
    quoteTable(parseTableName('Größe.ÉTAGE_Nummer')),
  ])
  expect(rows).toEqual([{ found: true }])
})
