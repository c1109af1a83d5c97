import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { parseTableName, quoteIdentifier, quoteTable, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { type ProgressKey, progressRow, readProgress } from '../apply/progress.ts'
import type { Endpoint } from '../database/session.ts'
import { readTableShapes } from '../mapping/table-shape.ts'
import { MIRROR_SCHEMA, type Mirror } from './mirror-plan.ts'

/**
 * Makes a capability's mirrors anew, empty, and notes in its progress that they are ours. Those of an earlier copy go.
 * @throws FICUS_DATABASE_UNFIT where the user may not.
 */
export async function createMirrors(
  client: Client,
  target: Endpoint,
  key: ProgressKey,
  mirrors: readonly Mirror[],
): Promise<void> {
  await client.query('BEGIN')
  try {
    const made = (await readProgress(client, key))?.made ?? []
    const earlier = made.filter(name => parseTableName(name).schema === MIRROR_SCHEMA)
    for (const name of earlier) await client.query(`DROP TABLE IF EXISTS ${quoteTable(parseTableName(name))}`)
    if (mirrors.length > 0) {
      // Two capabilities may begin at once.
      await client.query(`SELECT pg_advisory_xact_lock(hashtext('${MIRROR_SCHEMA}'))`)
      const { rowCount } = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [MIRROR_SCHEMA])
      if (rowCount === 0) await client.query(`CREATE SCHEMA ${MIRROR_SCHEMA}`)
      for (const mirror of mirrors) await createMirror(client, mirror)
    }
    const now = [...made.filter(name => !earlier.includes(name)), ...mirrors.map(({ flow }) => showTable(flow.to))]
    await client.query(`UPDATE ficus.progress SET made = $1 WHERE ${progressRow(key)}`, [JSON.stringify(now)])
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    if (systemCodeOf(error) !== '42501') throw error
    throw new FicusError('FICUS_DATABASE_UNFIT', `${target.name} refuses a mirror: ${messageOf(error)}`, {
      cause: error,
      remedy: `GRANT CREATE ON DATABASE … TO the user of sync there, or make that user the owner of the schema ${MIRROR_SCHEMA}.`,
    })
  }
}

async function createMirror(client: Client, { flow, target, indexes }: Mirror): Promise<void> {
  const table = quoteTable(flow.to)
  const columns = target.columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`)
  const key = `PRIMARY KEY (${list(flow.key.map(({ to }) => to))})`
  await client.query(`CREATE TABLE ${table} (${[...columns, key].join(', ')})`)
  for (const columnsOfIndex of indexes) await client.query(`CREATE INDEX ON ${table} (${list(columnsOfIndex)})`)
}

/**
 * Makes sure that the mirrors in the database are those that the mapping needs. A column whose type was changed at the
 * source is given the new type; one that is not there cannot be filled any more.
 * @throws FICUS_MAPPING_INVALID where the mapping reads what the first copy did not bring.
 */
export async function fitMirrors(client: Client, mirrors: readonly Mirror[]): Promise<void> {
  const shapeOf = await readTableShapes(
    client,
    mirrors.map(({ flow }) => flow.to),
  )
  for (const { flow, target } of mirrors) {
    const live = shapeOf(flow.to)
    const key = flow.key.map(({ to }) => to)
    const missing = target.columns
      .map(({ name }) => name)
      .filter(name => live?.columns.every(column => column.name !== name) ?? true)
    if (missing.length > 0) throw copyAnew(`the mapping reads ${missing.join(', ')} of ${showTable(flow.from)}, which`)
    if (!live?.uniqueKeys.some(unique => unique.join() === key.join()))
      throw copyAnew(`the key of ${showTable(flow.from)} is ${key.join(', ')} now, which`)
    for (const column of live?.columns ?? []) {
      const wanted = target.columns.find(({ name }) => name === column.name)
      if (wanted === undefined || wanted.type === column.type) continue
      const name = quoteIdentifier(column.name)
      await client.query(
        `ALTER TABLE ${quoteTable(flow.to)} ALTER COLUMN ${name} TYPE ${wanted.type} USING ${name}::${wanted.type}`,
      )
    }
  }
}

function copyAnew(what: string): FicusError {
  return new FicusError('FICUS_MAPPING_INVALID', `${what} is not what the first copy brought along`, {
    remedy: 'Undo the change; or roll the capability back to legacy and advance it again, so that it is copied anew.',
  })
}

function list(columns: readonly string[]): string {
  return columns.map(quoteIdentifier).join(', ')
}
