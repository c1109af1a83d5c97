import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseTableName, quoteIdentifier, quoteTable, showTable, type TableName } from './identifier.ts'

it.each([
  ['name', '"name"'],
  ['Order', '"Order"'],
  ['a"b', '"a""b"'],
  ['"; DROP TABLE x; --', '"""; DROP TABLE x; --"'],
  ['größe 🌿', '"größe 🌿"'],
  ['x'.repeat(63), `"${'x'.repeat(63)}"`],
])('quotes %s', (name, quoted) => {
  expect(quoteIdentifier(name)).toBe(quoted)
})

it.each(['', 'a\0b', 'x'.repeat(64), 'ö'.repeat(32)])('invariant 13: refuses to quote %j', name => {
  expect(() => quoteIdentifier(name)).toThrow(expect.objectContaining({ code: 'FICUS_MAPPING_INVALID' }))
})

it.each([
  ['products', 'public', 'products'],
  ['shop.products', 'shop', 'products'],
  ['Shop.Products', 'shop', 'products'],
  ['"Shop"."Order Lines"', 'Shop', 'Order Lines'],
  ['shop."a.b"', 'shop', 'a.b'],
  ['"a""b"', 'public', 'a"b'],
  ['ÉTAGE.Größe', 'Étage', 'größe'],
  ['_x$1', 'public', '_x$1'],
])('reads %s', (text, schema, table) => {
  expect(parseTableName(text)).toEqual({ schema, table })
})

it.each(['', '.a', 'a.', 'a..b', 'a.b.c', '1a', 'a b', ' a', 'a;b', '"a', '"a"b', '""', '"".a', 'a-b'])(
  'invariant 13: refuses %j as a table name',
  text => {
    expect(() => parseTableName(text)).toThrow(
      expect.objectContaining({
        code: 'FICUS_MAPPING_INVALID',
        message: `${JSON.stringify(text)} is not a table name`,
      }),
    )
  },
)

it.each<[TableName, string]>([
  [{ schema: 'shop', table: 'products' }, 'shop.products'],
  [{ schema: 'shop', table: 'Order Lines' }, 'shop."Order Lines"'],
])('shows a table for people: %j', (table, shown) => {
  expect(showTable(table)).toBe(shown)
})

it('reads back every table that it shows or quotes', () => {
  const part = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 15 })
    .filter(text => !text.includes('\0') && Buffer.byteLength(text) <= 63)
  fc.assert(
    fc.property(part, part, (schema, table) => {
      expect(parseTableName(showTable({ schema, table }))).toEqual({ schema, table })
      expect(parseTableName(quoteTable({ schema, table }))).toEqual({ schema, table })
    }),
  )
})
