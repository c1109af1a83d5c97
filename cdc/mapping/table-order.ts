import { showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'

/**
 * Sorts tables so that each comes after those its foreign keys point to, as inserts need; deletes go the other way
 * round. Tables in a circle keep the order they came in.
 */
export async function inDependencyOrder<T>(
  client: Client,
  items: readonly T[],
  tableOf: (item: T) => TableName,
): Promise<T[]> {
  const { rows } = await client.query<{ child: string; parent: string; child_schema: string; parent_schema: string }>(
    `SELECT cn.nspname AS child_schema, c.relname AS child, pn.nspname AS parent_schema, p.relname AS parent
     FROM pg_constraint k
     JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
     JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE k.contype = 'f' AND k.conrelid <> k.confrelid`,
  )
  const parents = Map.groupBy(rows, row => showTable({ schema: row.child_schema, table: row.child }))
  return sortByParents(
    items,
    item => showTable(tableOf(item)),
    child => (parents.get(child) ?? []).map(row => showTable({ schema: row.parent_schema, table: row.parent })),
  )
}

/** Depth first, parents before children. */
export function sortByParents<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  parentsOf: (name: string) => readonly string[],
): T[] {
  const byName = Map.groupBy(items, nameOf)
  const visited = new Set<string>()
  const sorted: T[] = []
  const visit = (name: string) => {
    if (visited.has(name)) return
    visited.add(name)
    for (const parent of parentsOf(name)) visit(parent)
    sorted.push(...(byName.get(name) ?? []))
  }
  for (const item of items) visit(nameOf(item))
  return sorted
}
