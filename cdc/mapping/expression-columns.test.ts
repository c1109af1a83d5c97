import { expect, it } from 'vitest'
import { columnsRead } from './expression-columns.ts'

const COLUMNS = ['id', 'name', 'price', 'Order', 'größe', 'Übersicht', 'e']

const cases: readonly [expression: string, reads: readonly string[]][] = [
  ['name', ['name']],
  ['NAME', ['name']],
  ['"Order" || "name"', ['name', 'Order']],
  ['Order', []],
  ['größe', ['größe']],
  ['GRößE || ÜBERSICHT || Übersicht', ['größe', 'Übersicht']],
  [`'name' || price::text`, ['price']],
  [`'it''s name' || id`, ['id']],
  [`E'it\\'s name' || id`, ['id']],
  [`e`, ['e']],
  ['$$name$$ || $x$price$$name$x$ || id', ['id']],
  ['id -- name', ['id']],
  ['id /* name */ + 1', ['id']],
  [`data ->> 'name'`, []],
  ['products.name', ['name']],
  ['coalesce(products.price, 1e3)', ['price']],
  ['to_jsonb(products)', COLUMNS],
  ['products.*', COLUMNS],
  ['U&"n\\0061me"', COLUMNS],
  ['(price * 100)::bigint', ['price']],
]

it.each(cases)('%s reads %j', (expression, reads) => {
  expect([...columnsRead(expression, 'products', COLUMNS)].sort()).toEqual([...reads].sort())
})
