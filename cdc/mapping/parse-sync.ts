import { pathToFileURL } from 'node:url'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { parseTableName, showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Each, KeyMapping, MappedColumn, MappedSide, MappedTable, Match, Sync, TableRead } from './flow.ts'
import { isRowFunction, NO_EXPRESSION } from './row-function.ts'

/** What is wrong with a mapping, where in the sync file, and what to do. */
export interface MappingProblem {
  /** As one would write it in the file: `tables[0].forward.full_name`. */
  readonly path: string
  readonly problem: string
  readonly remedy: string
}

/**
 * Imports a sync file and reads its default export.
 * @param file an absolute path.
 * @throws FICUS_MAPPING_INVALID whose `details.problems` (`MappingProblem[]`) holds every problem.
 */
export async function loadSync(file: string): Promise<Sync> {
  let exported: { default?: unknown }
  try {
    exported = await import(pathToFileURL(file).href)
  } catch (error) {
    throw new FicusError('FICUS_MAPPING_INVALID', `${file} cannot be imported: ${messageOf(error)}`, { cause: error })
  }
  return parseSync(exported.default, file)
}

/**
 * Reads a sync definition of whatever shape.
 * @param file names it in messages.
 * @throws FICUS_MAPPING_INVALID with all problems at once.
 */
export function parseSync(value: unknown, file = 'the sync definition'): Sync {
  const problems: MappingProblem[] = []
  const sync = new SyncReader(problems).read(value)
  if (problems.length > 0) throw mappingInvalid(file, problems)
  return sync
}

/** The error of a mapping with problems: each with its path and what to do. */
export function mappingInvalid(file: string, problems: readonly MappingProblem[]): FicusError {
  const lines = problems.map(({ path, problem, remedy }) => `  ${path}: ${problem}\n    ${remedy}`)
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  return new FicusError('FICUS_MAPPING_INVALID', `${file} has ${count}:\n${lines.join('\n')}`, {
    details: { problems },
  })
}

const SETTINGS = ['source', 'target', 'key', 'where', 'reads', 'each', 'forward', 'reverse', 'columns']

class SyncReader {
  readonly #problems: MappingProblem[]
  /** What is filled already, and by which mapping. */
  #targets = new Map<string, string>()
  /** The same of the monolith's tables, by `reverse`. */
  readonly #reversed = new Map<string, string>()

  constructor(problems: MappingProblem[]) {
    this.#problems = problems
  }

  read(value: unknown): Sync {
    const settings = isRecord(value) ? value : {}
    for (const name of Object.keys(settings).filter(name => name !== 'tables' && name !== 'back'))
      this.#tell(name, 'unknown setting', 'Write defineSync({ tables, back }).')
    const { tables: listed, back: listedBack = [] } = settings
    if (!Array.isArray(listed) || listed.length === 0) {
      this.#tell('tables', 'lists no mapping', 'Write `export default defineSync({ tables: [{ … }] })`.')
      return { tables: [], back: [] }
    }
    const tables = listed.flatMap((table, index) => this.#readTable(table, `tables[${index}]`) ?? [])
    this.#targets = this.#reversed
    if (!Array.isArray(listedBack)) this.#tell('back', 'is not a list', 'Write back: [{ … }].')
    const entries: readonly unknown[] = Array.isArray(listedBack) ? listedBack : []
    return { tables, back: entries.flatMap((entry, index) => this.#readBack(entry, `back[${index}]`) ?? []) }
  }

  #readBack(value: unknown, path: string): MappedTable | null {
    if (!isRecord(value)) return this.#readTable(value, path)
    const { reverse, within, ...entry } = value
    if (reverse !== undefined)
      this.#tell(`${path}.reverse`, 'leads nowhere: an entry of `back` is itself a way back', `Delete ${path}.reverse.`)
    const condition = within === undefined ? null : this.#readExpression(within, `${path}.within`)
    const table = this.#readTable(entry, path)
    return table === null || condition === null ? table : { ...table, within: condition }
  }

  #readTable(value: unknown, path: string): MappedTable | null {
    if (!isRecord(value)) {
      this.#tell(path, 'is not an object', 'Write { source, target, key, forward }.')
      return null
    }
    for (const name of Object.keys(value).filter(name => !SETTINGS.includes(name))) {
      this.#tell(`${path}.${name}`, 'unknown setting', `Delete ${name}, or correct its spelling.`)
    }
    const source = this.#readTableName(value.source, `${path}.source`)
    const target = this.#readTableName(value.target, `${path}.target`)
    if (target !== null) this.#claimTarget(target, path)
    const bothWays = isRowFunction(value.reverse) || (isRecord(value.reverse) && Object.keys(value.reverse).length > 0)
    const key = this.#readKey(value.key, `${path}.key`, bothWays)
    const where = value.where === undefined ? null : this.#readExpression(value.where, `${path}.where`)
    const reads = value.reads === undefined ? [] : this.#readReads(value.reads, `${path}.reads`, source)
    const each = value.each === undefined ? null : this.#readEach(value.each, `${path}.each`, key)
    this.#checkLists(value, path)
    const forward = this.#readSide(value, 'forward', path)
    const reverse = value.reverse === undefined ? { columns: [] } : this.#readSide(value, 'reverse', path)
    if (forward.compute !== undefined && reads.length > 0)
      this.#tell(
        `${path}.forward`,
        'is a function, and the mapping has `reads`',
        'Write SQL, or delete `reads`: a function sees its own row alone.',
      )
    if (source !== null && reverse.columns.length > 0) this.#reversed.set(showTable(source), `${path}.reverse`)
    if (value.each !== undefined) this.#checkBesideEach(value, path)
    for (const column of key) {
      this.#refuseKey(forward.columns, column.target, `${path}.forward`)
      this.#refuseKey(reverse.columns, column.source, `${path}.reverse`)
    }
    for (const column of each?.key ?? []) this.#refuseKey(forward.columns, column.to, `${path}.forward`)
    if (source === null || target === null) return null
    return { source, target, key, where, reads, ...(each === null ? {} : { each }), forward, reverse }
  }

  #readEach(value: unknown, path: string, key: readonly KeyMapping[]): Each | null {
    if (!isRecord(value)) {
      this.#tell(
        path,
        'is not an object',
        "Write { rows: 'unnest(…) AS …', key: { <target column>: '<expression>' } }.",
      )
      return null
    }
    for (const name of Object.keys(value).filter(name => name !== 'rows' && name !== 'key'))
      this.#tell(`${path}.${name}`, 'unknown setting', 'Write { rows, key }.')
    const { rows } = value
    if (typeof rows !== 'string' || rows.trim() === '')
      this.#tell(
        `${path}.rows`,
        'does not say which rows a source row becomes',
        "Write what stands behind FROM: 'unnest(tags) WITH ORDINALITY AS tag(name, position)'.",
      )
    if (!isRecord(value.key) || Object.keys(value.key).length === 0) {
      const problem = 'names no column that tells apart what one source row becomes'
      this.#tell(`${path}.key`, problem, `Add ${path}.key: { <target column>: '<expression>' }.`)
      return null
    }
    const columns = this.#readColumns(value.key, `${path}.key`)
    for (const { target } of key) this.#refuseKey(columns, target, `${path}.key`)
    return typeof rows === 'string' ? { rows: rows.trim(), key: columns } : null
  }

  #checkBesideEach({ forward, reads, reverse }: Record<string, unknown>, path: string): void {
    if (isRowFunction(forward))
      this.#tell(
        `${path}.forward`,
        'is a function, and the mapping has `each`',
        'Write SQL: a function gives a single row.',
      )
    if (reads !== undefined)
      this.#tell(
        `${path}.reads`,
        'stands beside `each`',
        'Delete one: `each` sees the source row alone. A row of another table can be a mapping of its own.',
      )
    if (reverse !== undefined)
      this.#tell(
        `${path}.reverse`,
        'stands beside `each`: several rows of the target are one of the source',
        `Delete it, and write a \`back\` entry for the source table, which puts its rows together by \`reads\`.`,
      )
  }

  #readTableName(value: unknown, path: string): TableName | null {
    if (typeof value !== 'string') {
      this.#tell(path, 'is missing', `Add ${path}: 'schema.table'.`)
      return null
    }
    try {
      return parseTableName(value)
    } catch (error) {
      this.#tell(path, messageOf(error), 'Write schema.table; put a part in double quotes if it has capitals.')
      return null
    }
  }

  #claimTarget(target: TableName, path: string): void {
    const first = this.#targets.get(showTable(target))
    if (first === undefined) this.#targets.set(showTable(target), path)
    else
      this.#tell(
        `${path}.target`,
        `${showTable(target)} is filled by ${first} already`,
        path.startsWith('back')
          ? 'Give each table of the monolith either `reverse` in its mappings or one entry of `back`, which may name other tables in `reads`.'
          : 'Give each target table one mapping; what it needs of other source tables it names in `reads`.',
      )
  }

  #readKey(value: unknown, path: string, bothWays: boolean): KeyMapping[] {
    if (!isRecord(value) || Object.keys(value).length === 0) {
      this.#tell(path, 'names no key column', `Add ${path}: { <source column>: '<target column>' }.`)
      return []
    }
    const seen = new Set<string>()
    return Object.entries(value).flatMap(([source, to]) => {
      const at = `${path}.${source}`
      const computed = isRecord(to) ? this.#readComputedKey(to, at, bothWays) : {}
      const target = isRecord(to) ? to.to : to
      if (typeof target !== 'string' || !isColumnName(source) || !isColumnName(target)) {
        this.#tell(at, 'is not a column name on both sides', 'Write <source column>: <target column>, unquoted.')
        return []
      }
      if (seen.has(target)) this.#tell(at, `${target} is named twice`, 'Give each key column a column of its own.')
      seen.add(target)
      return [{ source, target, ...computed }]
    })
  }

  #readComputedKey(
    value: Record<string, unknown>,
    path: string,
    bothWays: boolean,
  ): Pick<KeyMapping, 'forward' | 'reverse'> {
    for (const name of Object.keys(value).filter(name => !['to', 'forward', 'reverse'].includes(name)))
      this.#tell(`${path}.${name}`, 'unknown setting', 'Write { to, forward, reverse }.')
    const forward = this.#readExpression(value.forward, `${path}.forward`)
    if (value.reverse === undefined) {
      if (bothWays)
        this.#tell(
          path,
          'has no way back, and the mapping has',
          `Add ${path}.reverse: SQL that gives the source's key.`,
        )
      return forward === null ? {} : { forward }
    }
    const reverse = this.#readExpression(value.reverse, `${path}.reverse`)
    return forward === null || reverse === null ? {} : { forward, reverse }
  }

  /** Expressions know tables by their bare names, so no two of a mapping may share one. */
  #readReads(value: unknown, path: string, source: TableName | null): TableRead[] {
    if (!isRecord(value)) {
      this.#tell(path, 'is not an object', "Write { 'schema.table': { <its column>: '<column of source>' } }.")
      return []
    }
    const seen = new Set<string>()
    const bare = new Map(source === null ? [] : [[source.table, showTable(source)]])
    return Object.entries(value).flatMap(([name, match]) => {
      const at = `${path}[${JSON.stringify(name)}]`
      const table = this.#readTableName(name, at)
      const matches = (Array.isArray(match) && match.length > 0 ? match : [match]).map(one => this.#readMatch(one, at))
      if (table === null) return []
      if (seen.has(showTable(table))) this.#tell(at, 'is read twice', 'List both ways: [{ … }, { … }].')
      seen.add(showTable(table))
      const other = bare.get(table.table)
      if (other !== undefined && other !== showTable(table)) {
        this.#tell(
          at,
          `expressions cannot tell it from ${other}: both are ${table.table}`,
          'Read only one of the two in one mapping.',
        )
      }
      bare.set(table.table, showTable(table))
      return [{ table, matches, columns: [] }]
    })
  }

  #readMatch(value: unknown, path: string): Match {
    const columns = isRecord(value) ? Object.entries(value) : []
    const match = columns.flatMap(([column, equals]) =>
      typeof equals === 'string' && isColumnName(column) && isColumnName(equals) ? [{ column, equals }] : [],
    )
    if (match.length === 0 || match.length < columns.length) {
      this.#tell(
        path,
        'does not say which rows belong to a row of the source table',
        "Write { <its column>: '<column of source>' }, unquoted.",
      )
    }
    return match
  }

  #readSide(table: Record<string, unknown>, side: 'forward' | 'reverse', path: string): MappedSide {
    const value = table[side]
    if (!isRowFunction(value)) return { columns: this.#readColumns(value, `${path}.${side}`) }
    const list = isRecord(table.columns) ? table.columns[side] : undefined
    const columns = Array.isArray(list) ? this.#readNames(list, `${path}.columns.${side}`) : []
    if (!Array.isArray(list) || list.length === 0)
      this.#tell(
        `${path}.columns.${side}`,
        `does not say which columns the function ${side} fills`,
        `Add columns: { ${side}: ['<column>', …] }.`,
      )
    return { columns, compute: value }
  }

  #readNames(list: readonly unknown[], path: string): MappedColumn[] {
    const seen = new Set<unknown>()
    return list.flatMap((name, index) => {
      if (typeof name !== 'string' || !isColumnName(name))
        this.#tell(`${path}[${index}]`, 'is not a column name', 'Write the name as it is, without quotes.')
      else if (seen.has(name)) this.#tell(`${path}[${index}]`, `${name} is listed twice`, 'Delete one.')
      seen.add(name)
      return typeof name === 'string' ? [{ to: name, expression: NO_EXPRESSION }] : []
    })
  }

  /** SQL names the columns it fills itself. */
  #checkLists({ columns, ...table }: Record<string, unknown>, path: string): void {
    if (columns === undefined) return
    if (!isRecord(columns)) {
      this.#tell(`${path}.columns`, 'is not an object', "Write { forward: ['<column>', …] }.")
      return
    }
    for (const side of Object.keys(columns)) {
      if (isRowFunction(table[side])) continue
      this.#tell(`${path}.columns.${side}`, 'lists columns of no function', `Delete it, or make ${side} a function.`)
    }
  }

  #readColumns(value: unknown, path: string): MappedColumn[] {
    if (!isRecord(value)) {
      this.#tell(
        path,
        'is missing',
        `Add ${path}: { <column>: '<SQL expression>' }, which may be empty; or a function.`,
      )
      return []
    }
    return Object.entries(value).flatMap(([to, expression]) => {
      const at = `${path}.${to}`
      if (!isColumnName(to)) this.#tell(at, 'is not a column name', 'Write the name as it is, without quotes.')
      const read = this.#readExpression(expression, at)
      return read === null ? [] : [{ to, expression: read }]
    })
  }

  #readExpression(value: unknown, path: string): string | null {
    if (typeof value === 'string' && value.trim() !== '') return value.trim()
    this.#tell(
      path,
      'is not an SQL expression',
      'Write SQL over one row, such as lower(name) or (amount * 100)::bigint.',
    )
    return null
  }

  #refuseKey(columns: readonly MappedColumn[], key: string, path: string): void {
    if (!columns.some(column => column.to === key)) return
    this.#tell(`${path}.${key}`, 'is a key column, which `key` maps already', `Delete ${path}.${key}.`)
  }

  #tell(path: string, problem: string, remedy: string): void {
    this.#problems.push({ path, problem, remedy })
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Column names stand unquoted and in full in a sync file; 63 bytes is what PostgreSQL keeps of one. */
function isColumnName(name: string): boolean {
  return name !== '' && !name.includes('\0') && Buffer.byteLength(name) <= 63
}
