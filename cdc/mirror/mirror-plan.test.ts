import { describe, expect, it } from 'vitest'
import type { ShapedFlow } from '../copy/first-copy.ts'
import { flowsOf } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import type { ColumnShape, TableShape } from '../mapping/table-shape.ts'
import { mirrorKey, mirrorName, planMirrors } from './mirror-plan.ts'
import { withColumns } from './resolve-reads.ts'

function column(name: string, wireType = 'integer'): ColumnShape {
  const flags = { notNull: true, hasDefault: false, generated: false, identityAlways: false }
  const type = { type: wireType, fullType: wireType, typeOid: 23, wireType, binary: true, deterministic: true }
  return { name, ...type, ...flags }
}

function table(name: string, columns: readonly ColumnShape[], key: readonly string[]): TableShape {
  return {
    name: { schema: 'public', table: name },
    oid: 1,
    kind: 'table',
    columns,
    uniqueKeys: [key],
    replicaIdentity: { kind: 'default', columns: key },
    estimatedRows: 0,
    pages: 0,
    owned: true,
    storage: { parts: {}, columns: {} },
  }
}

const ORDERS = table('orders', [column('id'), column('customer'), column('secret')], ['id'])
const LINES = table('lines', [column('no'), column('order_id'), column('sku', 'text'), column('secret')], ['no'])

function plan(): ReturnType<typeof planMirrors> {
  const sync = parseSync({
    tables: [
      {
        source: 'orders',
        target: 'documents',
        key: { id: 'id' },
        reads: { lines: { order_id: 'id' }, orders: { customer: 'customer' } },
        forward: {
          skus: '(SELECT array_agg(l.sku) FROM lines l WHERE l.order_id = orders.id)',
          siblings: '(SELECT count(*) FROM orders o WHERE o.customer = orders.customer)',
        },
      },
      { source: 'other', target: 'other', key: { id: 'id' }, forward: {} },
    ],
  })
  const shaped = flowsOf(sync, 'forward').map((flow): ShapedFlow => {
    const reads = flow.reads.map(read => (read.table.table === 'lines' ? LINES : ORDERS))
    return { flow: withColumns(flow, reads), source: ORDERS, target: ORDERS, reads }
  })
  return planMirrors('sales', shaped)
}

describe('planMirrors', () => {
  it('one for each table, with its key, the columns that are read, and indexes for what is looked up', () => {
    const mirrors = plan().map(({ flow, indexes }) => ({
      to: flow.to.table,
      key: flow.key.map(({ to }) => to),
      columns: flow.columns.map(({ to }) => to),
      indexes,
    }))
    expect(mirrors).toEqual([
      { to: 'sales:public.orders', key: ['id'], columns: ['id', 'customer'], indexes: [['customer']] },
      { to: 'sales:public.lines', key: ['no'], columns: ['no', 'order_id', 'sku'], indexes: [['order_id']] },
    ])
  })

  it('none where no mapping reads another table', () => {
    expect(planMirrors('sales', [])).toEqual([])
  })
})

describe('mirrorKey', () => {
  it('is the replica identity, or with a full one a key that is never null', () => {
    const full = { ...LINES, replicaIdentity: { kind: 'full' as const, columns: ['no', 'order_id', 'sku', 'secret'] } }
    expect([mirrorKey(LINES), mirrorKey(full), mirrorKey({ ...full, uniqueKeys: [] })]).toEqual([['no'], ['no'], null])
    expect(mirrorKey({ ...LINES, replicaIdentity: { kind: 'nothing', columns: [] } })).toBeNull()
  })
})

describe('mirrorName', () => {
  it('tells tables apart whose names are too long for one name', () => {
    const name = (letter: string) =>
      mirrorName('a-long-name-of-a-capability', { schema: 'public', table: letter.repeat(60) })
    expect(mirrorName('sales', ORDERS.name)).toBe('sales:public.orders')
    expect(name('a')).toMatch(/^a-long-name-of-a-capability:[0-9a-f]{16}$/)
    expect(name('a')).not.toBe(name('b'))
  })
})
