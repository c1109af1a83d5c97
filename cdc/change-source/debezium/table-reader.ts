import { FicusError } from '@ficus/core/errors/ficus-error'
import { showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { readTableShape } from '../../mapping/table-shape.ts'
import type { Relation } from '../change-source.ts'
import { encodeTextTuple } from '../tuple.ts'
import { readColumnForms } from './column-forms.ts'
import type { Row } from './event.ts'
import type { Placeholder } from './placeholder.ts'
import { type JsonValue, type ToText, UnreadableValue } from './value-text.ts'

/** A column that the mapping reads, as the catalog has it. */
export interface ReadColumn {
  readonly name: string
  /** The staging column's type. */
  readonly type: string
  /** The same with precision and scale, where they limit it. */
  readonly preciseType?: string | undefined
  /** Null where no value arrives: all are read back from the source. */
  readonly toText: ToText | null
  readonly identity: boolean
  /** Some values are read back, or all of them. */
  readonly readBack: boolean
}

/** A table as the catalog has it. */
export interface ReadTable {
  readonly table: TableName
  readonly columns: readonly ReadColumn[]
  /** Columns that need not travel, or cannot. */
  readonly unread: readonly string[]
  /** The old row of an update or a delete is told whole. */
  readonly fullIdentity: boolean
}

/**
 * Reads what is needed to turn a table's events into rows.
 * @param reads which of all columns the mapping reads.
 * @throws FICUS_MAPPING_INVALID where Debezium does not pass on a key's type without loss: a row is read back by its key;
 *   FICUS_SOURCE_CHANGED where the table is gone.
 */
export async function readTable(
  client: Client,
  table: TableName,
  reads: (columns: readonly string[]) => ReadonlySet<string>,
): Promise<ReadTable> {
  const shape = await readTableShape(client, table)
  if (shape === null)
    throw new FicusError('FICUS_SOURCE_CHANGED', `the source has no table ${showTable(table)} any more`)
  const forms = await readColumnForms(client, shape.oid)
  const read = reads(shape.columns.map(column => column.name))
  const { kind, columns: identity } = shape.replicaIdentity
  const needed = (name: string) => read.has(name) || (kind !== 'full' && identity.includes(name))
  const columns: ReadColumn[] = []
  for (const { name, wireType, preciseType } of shape.columns) {
    const form = forms.find(candidate => candidate.name === name)
    if (!needed(name) || form === undefined) continue
    const isIdentity = identity.includes(name)
    if (form.toText === null && isIdentity && kind !== 'full') throw unsupported(table, name, form.type)
    columns.push({
      name,
      type: wireType,
      preciseType,
      toText: form.toText,
      identity: isIdentity,
      readBack: form.readBack,
    })
  }
  const travels = (name: string) => columns.some(column => column.name === name && column.toText !== null)
  const unread = shape.columns.map(column => column.name).filter(name => !travels(name))
  return { table, columns, unread, fullIdentity: kind === 'full' }
}

/** Turns events of one shape of one table into tuples. */
export class TableReader {
  readonly relation: Relation
  readonly #columns: readonly ReadColumn[]
  readonly #fullIdentity: boolean
  readonly #placeholder: Placeholder

  /** @param present the columns that the events hold; the catalog's others were added later, or do not travel. */
  constructor({ table, columns, fullIdentity }: ReadTable, present: ReadonlySet<string>, placeholder: Placeholder) {
    this.#columns = columns.filter(({ name, toText }) => toText === null || present.has(name))
    this.#fullIdentity = fullIdentity
    this.#placeholder = placeholder
    this.relation = {
      table,
      format: 'text',
      columns: this.#columns.map(({ name, type, preciseType, identity, readBack }) => {
        const column = { name, type, preciseType, identity }
        return readBack && !this.#isKey({ identity }) ? { ...column, readBack } : column
      }),
    }
  }

  newTuple(row: Row): Buffer {
    return encodeTextTuple(this.#columns.map(column => this.#valueOf(row, column)))
  }

  /** Of the old row only what the replica identity tells: the rest of it is filled with nulls. */
  oldTuple(row: Row): Buffer {
    const told = (column: ReadColumn) => this.#fullIdentity || column.identity
    return encodeTextTuple(this.#columns.map(column => (told(column) ? this.#valueOf(row, column) : null)))
  }

  /** Rows are read back by these columns, so that their own values cannot be. */
  #isKey({ identity }: Pick<ReadColumn, 'identity'>): boolean {
    return identity && !this.#fullIdentity
  }

  #valueOf(row: Row, { name, type, toText, identity }: ReadColumn): string | null | undefined {
    if (toText === null) return undefined
    const value: JsonValue = row[name] ?? null
    if (value === null) return null
    if (this.#placeholder.stands(value)) return undefined
    try {
      const text = toText(value)
      if (text === undefined && this.#isKey({ identity })) throw unsupported(this.relation.table, name, type)
      return text
    } catch (error) {
      if (!(error instanceof UnreadableValue)) throw error
      throw new FicusError(
        'FICUS_SOURCE_CHANGED',
        `an event of ${showTable(this.relation.table)} cannot be read: in ${name}, ${error.message}`,
        {
          cause: error,
          remedy: 'If the column’s type was changed, roll the capability back to legacy and advance it again.',
        },
      )
    }
  }
}

function unsupported(table: TableName, column: string, type: string): FicusError {
  return new FicusError(
    'FICUS_MAPPING_INVALID',
    `the engine debezium cannot carry ${showTable(table)}: its key has ${column}, and Debezium does not pass on ${type} without loss`,
    { remedy: `Set cdc.engine to 'postgres', or give the table another key (REPLICA IDENTITY USING INDEX …).` },
  )
}
