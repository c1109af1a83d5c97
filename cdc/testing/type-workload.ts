import { quoteIdentifier, quoteTable } from '@ficus/core/sql/identifier'
import type { TableMapping } from '../mapping/define-sync.ts'
import type { TypeSample } from './type-sample.ts'

/** Tables, what happens in them, and a mapping that copies them. */
export interface Workload {
  /** Both databases'. */
  readonly schema: string
  /** One statement a transaction. @param first the id of the first row, below 100,000. */
  changes(first: number): string[]
  readonly tables: readonly TableMapping[]
}

export interface TypeWorkload extends Workload {
  /** The column of a sample in `things`. */
  columnOf(sample: TypeSample): string
}

/**
 * Every value is inserted, changed, emptied, left alone, moved to another key and deleted: in `things`, which has a column
 * for each sample, and in `keyed_0` and so on, which have a sample for their key.
 */
export function typeWorkload(samples: readonly TypeSample[]): TypeWorkload {
  const columnOf = (sample: TypeSample) => `c${samples.indexOf(sample)}`
  const keyed = samples.flatMap(sample => (sample.key === undefined ? [] : [{ ...sample, key: sample.key }]))
  const columns = ['touched', ...samples.map(columnOf)]
  return {
    columnOf,
    schema: [
      `CREATE TABLE things (id int PRIMARY KEY, touched int, ${samples.map(sample => `${columnOf(sample)} ${sample.type}`).join(', ')})`,
      ...samples
        .filter(sample => sample.large !== undefined)
        .map(sample => `ALTER TABLE things ALTER ${columnOf(sample)} SET STORAGE EXTERNAL`),
      ...keyed.map(
        ({ type }, index) => `CREATE TABLE keyed_${index} (k ${type} PRIMARY KEY, note text, list int[], at interval)`,
      ),
    ].join(';\n'),
    changes: first => [...changesOfThings(samples, columnOf, first), ...keyed.map(changesOfKeys)],
    tables: [
      {
        source: 'things',
        target: 'things',
        key: { id: 'id' },
        forward: Object.fromEntries(columns.map(column => [column, column])),
      },
      ...keyed.map((_, index) => ({
        source: `keyed_${index}`,
        target: `keyed_${index}`,
        key: { k: 'k' },
        forward: { note: 'note', list: 'list', at: '"at"' },
      })),
    ],
  }
}

function changesOfThings(
  samples: readonly TypeSample[],
  columnOf: (sample: TypeSample) => string,
  first: number,
): string[] {
  let id = first - 1
  const statements = ['BEGIN']
  const insert = (sample: TypeSample, value: string) => {
    id += 1
    statements.push(`INSERT INTO things (id, ${columnOf(sample)}) VALUES (${id}, ${value})`)
    return id
  }
  const change = (sample: TypeSample, of: number, value: string) =>
    statements.push(`UPDATE things SET ${columnOf(sample)} = ${value} WHERE id = ${of}`)
  for (const sample of samples) {
    const rows = sample.values.map(value => insert(sample, value))
    // From NULL to a value, from a value to NULL, and from one value to another.
    const fresh = insert(sample, 'NULL')
    const emptied = insert(sample, sample.values[0] ?? 'NULL')
    statements.push('COMMIT', 'BEGIN')
    change(sample, fresh, sample.values[0] ?? 'NULL')
    change(sample, emptied, 'NULL')
    change(sample, rows[0] ?? 0, sample.values.at(-1) ?? 'NULL')
    if (sample.large !== undefined) {
      const [kept, moved, shrunk, gone] = Array.from({ length: 4 }, () => insert(sample, sample.large ?? 'NULL'))
      statements.push('COMMIT', 'BEGIN')
      statements.push(`UPDATE things SET touched = 1 WHERE id IN (${kept}, ${shrunk})`)
      statements.push(`UPDATE things SET id = id + 100000 WHERE id = ${moved}`)
      change(sample, shrunk ?? 0, sample.values[0] ?? 'NULL')
      statements.push(`DELETE FROM things WHERE id = ${gone}`)
    }
  }
  const last = id
  return [
    ...statements,
    'COMMIT',
    `UPDATE things SET touched = 2 WHERE id BETWEEN ${first} AND ${last} AND id % 2 = 0`,
    `UPDATE things SET id = id + 100000 WHERE id BETWEEN ${first} AND ${last} AND id % 7 = 0`,
    `DELETE FROM things WHERE id BETWEEN ${first} AND ${last} AND id % 11 = 0`,
    `UPDATE things SET touched = 3 WHERE id > 100000`,
  ]
}

/** A row of a key: inserted, changed, given another key, and inserted once more; the changed one is deleted. */
function changesOfKeys({ type, key: [one, other] }: { type: string; key: readonly [string, string] }, index: number) {
  const table = `keyed_${index}`
  const value = (sql: string) => `(${sql})::${type}`
  return [
    `DELETE FROM ${table}`,
    `INSERT INTO ${table} VALUES (${one}, 'a', '[2:3]={1,2}', '1 day')`,
    `UPDATE ${table} SET note = 'b', list = '{{1,2}}', at = '0' WHERE k = ${value(one)}`,
    `UPDATE ${table} SET k = ${other} WHERE k = ${value(one)}`,
    `INSERT INTO ${table} VALUES (${one}, 'c', NULL, NULL)`,
    `UPDATE ${table} SET note = 'd' WHERE k = ${value(other)}`,
    `DELETE FROM ${table} WHERE k = ${value(other)}`,
  ].join('; ')
}

/** A table whose names are easy to get wrong, the schema's and the key's among them, with its mapping. */
export function namesWorkload(names: readonly string[]): Workload {
  const [schema, table, key] = ['Schä.ma "S", $1', 'Tä.ble, "q" x', 'Prïmary, Key']
  const quoted = quoteTable({ schema, table })
  const id = quoteIdentifier(key)
  const row = (first: number, value: string) => `(${first}, ${names.map(() => value).join(', ')})`
  return {
    schema: `CREATE SCHEMA ${quoteIdentifier(schema)};
      CREATE TABLE ${quoted} (${id} int PRIMARY KEY, ${names.map(name => `${quoteIdentifier(name)} text`).join(', ')})`,
    changes: first => [
      `INSERT INTO ${quoted} VALUES ${row(first, `'a'`)}, ${row(first + 1, 'NULL')}, ${row(first + 2, `'c'`)}`,
      ...names.map(
        (name, index) => `UPDATE ${quoted} SET ${quoteIdentifier(name)} = '${index}' WHERE ${id} = ${first}`,
      ),
      `UPDATE ${quoted} SET ${id} = -${first} WHERE ${id} = ${first + 1}`,
      `DELETE FROM ${quoted} WHERE ${id} = ${first + 2}`,
    ],
    tables: [
      {
        source: quoted,
        target: quoted,
        key: { [key]: key },
        forward: Object.fromEntries(names.map(name => [name, quoteIdentifier(name)])),
      },
    ],
  }
}
