import { pipeline } from 'node:stream/promises'
import type { Knex } from 'knex'
import type { Client } from 'pg'
import { from, to } from 'pg-copy-streams'
import sync from '../sync.ts'

type Mapping = (typeof sync.tables)[number]

/** A monolith's database and a service's, both migrated. */
export interface TwoSides {
  readonly shop: Knex
  readonly catalog: Knex
}

/** Runs the mapping's forward expressions as plain SQL: the service's tables become what the monolith's say. */
export async function copyForward({ shop, catalog }: TwoSides): Promise<void> {
  await catalog.raw(`truncate ${sync.tables.map(({ target }) => target).join(', ')}`)
  for (const { source, target, key, where, forward } of sync.tables) {
    const columns = { ...keyThere(key), ...forward }
    await copy(shop, `${selectOf(columns)} from ${source} ${where ? `where ${where}` : ''}`, catalog, target, columns)
  }
  for (const table of ['taxonomy', 'makers', 'items']) {
    await catalog.raw(
      `select setval(pg_get_serial_sequence(?, 'id'), coalesce(max(id), 0) + 1, false) from catalog.${table}`,
      [`catalog.${table}`],
    )
  }
}

/** Runs the reverse expressions from the service's tables into twins of the monolith's, in the schema `returned`. */
export async function copyReverse({ shop, catalog }: TwoSides): Promise<void> {
  await shop.raw('drop schema if exists returned cascade; create schema returned')
  for (const mapping of sync.tables) {
    const columns = { ...keyBack(mapping.key), ...mapping.reverse }
    const twin = twinOf(mapping)
    await shop.raw(`create table ${twin} (like ${mapping.source})`)
    await copy(catalog, `${selectOf(columns)} from ${mapping.target}`, shop, twin, columns)
  }
}

/** The rows, as text, that are not the same, to the last bit, in the monolith's tables and their `returned` twins. */
export async function differingRows(shop: Knex): Promise<string[]> {
  const found = await Promise.all(
    sync.tables.map(async mapping => {
      const keys = Object.keys(mapping.key).join(', ')
      const { rows } = await shop.raw<{ rows: { row: string }[] }>(
        `select concat_ws(' / ', a::text, b::text) as row
         from ${mapping.source} a full join ${twinOf(mapping)} b using (${keys})
         where (a is null) or (b is null) or a::record *<> b::record`,
      )
      return rows.map(({ row }) => `${mapping.source}: ${row}`)
    }),
  )
  return found.flat()
}

function twinOf({ source }: Mapping): string {
  return source.replace('public.', 'returned.')
}

function keyThere(key: Mapping['key']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(key).map(([source, to]) => (typeof to === 'string' ? [to, source] : [to.to, to.forward])),
  )
}

function keyBack(key: Mapping['key']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(key).map(([source, to]) => [source, typeof to === 'string' ? to : (to.reverse ?? to.to)]),
  )
}

function selectOf(columns: Readonly<Record<string, string>>): string {
  return `select ${Object.values(columns).join(', ')}`
}

/** What `query` gives at one database goes into `table` of the other; COPY's text form loses nothing. */
async function copy(
  source: Knex,
  query: string,
  target: Knex,
  table: string,
  columns: Readonly<Record<string, string>>,
): Promise<void> {
  const reader: Client = await source.client.acquireConnection()
  const writer: Client = await target.client.acquireConnection()
  try {
    await pipeline(
      reader.query(to(`copy (${query}) to stdout`)),
      writer.query(from(`copy ${table} (${Object.keys(columns).join(', ')}) from stdin`)),
    )
  } finally {
    await source.client.releaseConnection(reader)
    await target.client.releaseConnection(writer)
  }
}
