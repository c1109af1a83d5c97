import { showTable } from '@ficus/core/sql/identifier'
import type { Change, Relation } from '../change-source/change-source.ts'

/**
 * Cuts changes where a table's shape changes between them, so that each run knows one shape of each table.
 * Almost always it is one run.
 */
export function segmentsOf(changes: readonly Change[]): (readonly Change[])[] {
  const segments: (readonly Change[])[] = []
  let shapes = new Map<string, Relation>()
  let start = 0
  let last: Relation | undefined
  for (const [index, { relation }] of changes.entries()) {
    if (relation === last) continue
    last = relation
    const table = showTable(relation.table)
    const known = shapes.get(table)
    if (known !== undefined && known !== relation) {
      segments.push(changes.slice(start, index))
      start = index
      shapes = new Map()
    }
    shapes.set(table, relation)
  }
  if (start < changes.length) segments.push(start === 0 ? changes : changes.slice(start))
  return segments
}
