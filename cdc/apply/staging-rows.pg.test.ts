import { createDatabase } from '@ficus/deploy/testing/postgres'
import fc from 'fast-check'
import pg from 'pg'
import { expect, it } from 'vitest'
import { encodeTextTuple, locateColumns } from '../change-source/tuple.ts'
import { copyIn } from '../database/copy-in.ts'
import { textRows } from './staging-rows.ts'

it('text rows hold any text: tabs, newlines, backslashes, the end marker', async () => {
  await using database = await createDatabase('staging')
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await client.query('CREATE TABLE t (operation int2, a text, b text)')
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }).map(value => value.replaceAll('\0', '')),
    fc.constantFrom('\\N', '\\.', '\\', '', '\t\n\r\b\f\v', 'x'.repeat(200_000)),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.option(text), fc.option(text)), { maxLength: 20 }), async values => {
      const tuples = values.map(encodeTextTuple)
      const data = Buffer.concat(tuples)
      let offset = 0
      const rows = tuples.map(() => {
        const starts: number[] = []
        offset = locateColumns(data, offset, starts)
        return { operation: 1, starts }
      })
      await client.query('TRUNCATE t')
      await copyIn(client, 'COPY t FROM STDIN', textRows(data, rows, [0, 1]))
      const { rows: stored } = await client.query<{ a: string | null; b: string | null }>('SELECT a, b FROM t')
      expect(stored.map(row => [row.a, row.b])).toEqual(values)
    }),
    { numRuns: 30 },
  )
  await client.end()
})

it('a refused COPY leaves its session usable', async () => {
  await using database = await createDatabase('staging')
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await client.query('CREATE TABLE t (n int)')
  await expect(copyIn(client, 'COPY t FROM STDIN', [Buffer.from('no number\n')])).rejects.toMatchObject({
    code: '22P02',
  })
  await expect(copyIn(client, 'COPY nowhere FROM STDIN', [])).rejects.toMatchObject({ code: '42P01' })
  const broken = function* () {
    yield Buffer.from('7\n')
    throw new TypeError('no more')
  }
  await expect(copyIn(client, 'COPY t FROM STDIN', broken())).rejects.toThrow('no more')
  await copyIn(client, 'COPY t FROM STDIN', [Buffer.from('1\n'), Buffer.from('2\n')])
  expect((await client.query('SELECT n FROM t')).rows).toEqual([{ n: 1 }, { n: 2 }])
  await client.end()
})
