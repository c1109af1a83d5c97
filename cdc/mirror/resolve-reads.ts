import { FicusError } from '@ficus/core/errors/ficus-error'
import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { Flow, TableRead } from '../mapping/flow.ts'
import { readTableShapes, type TableShape } from '../mapping/table-shape.ts'
import { readColumns } from './read-columns.ts'

/** A flow whose reads know their columns, and the tables that they read. */
export interface ResolvedReads {
  readonly flow: Flow
  /** In the order of the flow's `reads`. */
  readonly reads: readonly TableShape[]
}

/**
 * Looks at the tables that a flow reads besides its own.
 * @throws FICUS_MAPPING_INVALID where the source has no such table.
 */
export async function resolveReads(source: Client, flow: Flow): Promise<ResolvedReads> {
  const tables = flow.reads.map(({ table }) => table)
  const shapeOf = await readTableShapes(source, tables)
  const reads: TableShape[] = []
  for (const table of tables) {
    const shape = shapeOf(table)
    if (shape === null) {
      throw new FicusError('FICUS_MAPPING_INVALID', `${flow.path}.reads: the source has no table ${showTable(table)}`)
    }
    reads.push(shape)
  }
  return { flow: withColumns(flow, reads), reads }
}

/** @param shapes of the tables read, in the order of the flow's `reads`. */
export function withColumns(flow: Flow, shapes: readonly TableShape[]): Flow {
  if (shapes.length === 0) return flow
  const reads = shapes.flatMap((shape, index): TableRead[] => {
    const read = flow.reads[index]
    // A generated column is not in the stream, so the mirror cannot have it.
    const columns = shape.columns.filter(column => !column.generated).map(column => column.name)
    return read === undefined ? [] : [{ ...read, columns: readColumns(flow, read, columns) }]
  })
  return { ...flow, reads }
}
