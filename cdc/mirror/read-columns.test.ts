import { describe, expect, it } from 'vitest'
import type { Flow } from '../mapping/flow.ts'
import { flowsOf } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { readColumns } from './read-columns.ts'

const COLUMNS = ['order_id', 'line_no', 'sku', 'price', 'note']

function flowWith(expression: string, where?: string): Flow {
  const table = {
    source: 'orders',
    target: 'documents',
    key: { id: 'id' },
    reads: { order_lines: { order_id: 'id' } },
    forward: { value: expression },
  }
  const [flow] = flowsOf(parseSync({ tables: [where === undefined ? table : { ...table, where }] }), 'forward')
  if (flow === undefined) throw new TypeError('one mapping is one flow')
  return flow
}

function columnsOf(expression: string, where?: string): readonly string[] {
  const flow = flowWith(expression, where)
  return flow.reads.flatMap(read => readColumns(flow, read, COLUMNS))
}

describe('readColumns', () => {
  it.each([
    ['(SELECT sum(l.price) FROM order_lines l WHERE l.order_id = orders.id)', ['order_id', 'price']],
    ['(SELECT count(*) FROM order_lines WHERE order_lines.order_id = orders.id)', ['order_id']],
    ['(SELECT sku FROM order_lines AS l ORDER BY l.line_no LIMIT 1)', ['order_id', 'line_no', 'sku']],
    [`upper(name) || ' order_lines '`, ['order_id']],
    ['(SELECT max(price * 2) FROM order_lines WHERE order_id = orders.id)', ['order_id', 'price']],
  ])('%s', (expression, columns) => {
    expect(columnsOf(expression)).toEqual(columns)
  })

  it.each([
    '(SELECT jsonb_agg(l) FROM order_lines l WHERE l.order_id = orders.id)',
    '(SELECT jsonb_agg(to_jsonb(l.*)) FROM order_lines AS l WHERE l.order_id = orders.id)',
    '(SELECT to_jsonb(order_lines) FROM order_lines LIMIT 1)',
    '(SELECT to_jsonb(x) FROM (SELECT * FROM order_lines WHERE order_id = orders.id) x)',
    '(SELECT c FROM order_lines AS l (a, b, c) LIMIT 1)',
    '(SELECT count(*) FROM order_lines NATURAL JOIN other)',
  ])('all of them where rows are taken as a whole: %s', expression => {
    expect(columnsOf(expression)).toEqual(COLUMNS)
  })

  it('those of the filter too', () => {
    const where = 'EXISTS (SELECT FROM order_lines l WHERE l.order_id = orders.id AND l.note IS NULL)'
    expect(columnsOf('name', where)).toEqual(['order_id', 'note'])
  })
})
