import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { connect } from '@ficus/core/ledger/connection'
import type { Readings } from './readings.ts'

const execute = promisify(execFile)

const COLUMNS = ['label', 'note', 'amount', 'price', 'ratio', 'big', 'document', 'taken', 'raw']

/** One md5 of the texts of all rows in the order of the key: what one would write by hand. @returns rows a second. */
export async function orderedMd5({ source, target }: Readings, rows: number): Promise<number> {
  const digest = async (url: string, table: string, key: string) => {
    const client = await connect(url, table)
    try {
      const row = `ROW(${[key, ...COLUMNS].join(', ')})::text`
      const { rows: found } = await client.query(
        `SELECT md5(string_agg(md5(${row}), '' ORDER BY ${key})) AS md5 FROM ${table}`,
      )
      return String(found[0]?.md5)
    } finally {
      await client.end()
    }
  }
  const started = performance.now()
  const digests = await Promise.all([digest(source.url, 'readings', 'id'), digest(target.url, 'copies', 'copy_id')])
  if (digests[0] !== digests[1]) throw new Error('the ordered md5 of equal tables differs')
  return (1_000 * rows) / (performance.now() - started)
}

/** The data-diff program (https://github.com/datafold/data-diff), or null where it is not installed. */
export async function findDataDiff(): Promise<string | null> {
  const program = process.env.DATA_DIFF ?? 'data-diff'
  return execute(program, ['--version']).then(
    () => program,
    () => null,
  )
}

/** It wants the same names on both sides: the target gets a view. Types that it does not compare are left out. */
export async function dataDiff(program: string, { source, target, onTarget }: Readings, rows: number): Promise<number> {
  const compared = COLUMNS.filter(column => !['document', 'raw'].includes(column))
  await onTarget(`CREATE OR REPLACE VIEW readings AS SELECT copy_id AS id, ${COLUMNS.join(', ')} FROM copies`)
  const started = performance.now()
  const columns = compared.flatMap(column => ['-c', column])
  const { stdout } = await execute(program, [source.url, 'readings', target.url, 'readings', '-k', 'id', ...columns], {
    maxBuffer: 64 * 1024 * 1024,
  })
  if (stdout.trim() !== '') throw new Error(`data-diff found equal tables different: ${stdout.slice(0, 200)}`)
  return (1_000 * rows) / (performance.now() - started)
}
