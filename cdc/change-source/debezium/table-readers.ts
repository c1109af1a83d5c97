import { showTable, type TableName } from '@ficus/core/sql/identifier'
import { type Endpoint, withSession } from '../../database/session.ts'
import type { ChangeSourceOptions } from '../change-source.ts'
import type { DebeziumEvent, Row } from './event.ts'
import type { Placeholder } from './placeholder.ts'
import { type ReadTable, readTable, TableReader } from './table-reader.ts'

interface Known {
  readonly catalog: ReadTable
  readonly signature: string
  readonly reader: TableReader
}

/** The readers of a capability's tables. Events tell no types, so what they hold is looked up in the catalog. */
export class TableReaders {
  readonly #source: Endpoint
  readonly #placeholder: Placeholder
  readonly #columnsRead: ChangeSourceOptions['columnsRead']
  readonly #known = new Map<string, Known>()

  private constructor(source: Endpoint, placeholder: Placeholder, columnsRead: ChangeSourceOptions['columnsRead']) {
    this.#source = source
    this.#placeholder = placeholder
    this.#columnsRead = columnsRead
  }

  /** @throws FICUS_MAPPING_INVALID, FICUS_SOURCE_CHANGED (table-reader.ts). */
  static async open(
    { source, tables, columnsRead }: Pick<ChangeSourceOptions, 'source' | 'tables' | 'columnsRead'>,
    placeholder: Placeholder,
  ): Promise<TableReaders> {
    const readers = new TableReaders(source, placeholder, columnsRead)
    await withSession(source, async client => {
      for (const table of tables) {
        const catalog = await readTable(client, table, columns => columnsRead(table, columns))
        const travelling = catalog.columns.filter(column => column.toText !== null)
        readers.#learn(catalog, signatureOf(travelling.map(column => column.name)))
      }
    })
    return readers
  }

  /** Columns that need not travel, or cannot. */
  get unread(): { table: TableName; column: string }[] {
    return [...this.#known.values()].flatMap(({ catalog }) =>
      catalog.unread.map(column => ({ table: catalog.table, column })),
    )
  }

  /**
   * The reader for an event: null where nobody reads its table, undefined where its columns are others than before and
   * have to be looked up.
   */
  readerOf(event: DebeziumEvent): TableReader | null | undefined {
    if (event.kind !== 'row' && event.kind !== 'truncate') return null
    const known = this.#known.get(showTable(event.table))
    if (known === undefined) return null
    if (event.kind === 'truncate') return known.reader
    return known.signature === signatureOfRow(event) ? known.reader : undefined
  }

  /** Looks up a table's columns anew. */
  async lookUp(event: Extract<DebeziumEvent, { kind: 'row' }>): Promise<TableReader> {
    const { table } = event
    const catalog = await withSession(this.#source, client =>
      readTable(client, table, columns => this.#columnsRead(table, columns)),
    )
    return this.#learn(catalog, signatureOfRow(event))
  }

  #learn(catalog: ReadTable, signature: string): TableReader {
    const reader = new TableReader(catalog, new Set(signature.split(SEPARATOR)), this.#placeholder)
    this.#known.set(showTable(catalog.table), { catalog, signature, reader })
    return reader
  }
}

/** No name holds it. */
const SEPARATOR = '\0'

function signatureOfRow({ after, before }: { readonly after: Row | null; readonly before: Row | null }): string {
  return signatureOf(Object.keys(after ?? before ?? {}))
}

function signatureOf(columns: readonly string[]): string {
  return columns.join(SEPARATOR)
}
