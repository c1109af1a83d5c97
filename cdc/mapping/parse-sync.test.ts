import { FicusError } from '@ficus/core/errors/ficus-error'
import { describe, expect, it } from 'vitest'
import { flowsOf } from './flow.ts'
import { type MappingProblem, parseSync } from './parse-sync.ts'

const GOOD = {
  source: 'products',
  target: 'Catalog."Items"',
  key: { id: 'item_id' },
  where: 'deleted_at is null',
  forward: { title: 'name_en' },
  reverse: { name_en: 'title' },
}

function problemsOf(value: unknown): readonly MappingProblem[] {
  try {
    parseSync(value)
  } catch (error) {
    if (error instanceof FicusError && error.code === 'FICUS_MAPPING_INVALID') {
      return error.details.problems as readonly MappingProblem[]
    }
    throw error
  }
  return []
}

describe('parseSync', () => {
  it('reads names as PostgreSQL would', () => {
    expect(parseSync({ tables: [GOOD] }).tables[0]).toMatchObject({
      source: { schema: 'public', table: 'products' },
      target: { schema: 'catalog', table: 'Items' },
      key: [{ source: 'id', target: 'item_id' }],
    })
  })

  it('invariant 13: tells every problem at once, each with its path and a remedy', () => {
    const problems = problemsOf({
      tables: [
        { source: 'a.b.c', target: 'x', key: {}, forward: { a: '', b: 5 }, were: 'x' },
        { ...GOOD, forward: { item_id: 'id + 1' }, reverse: { id: 'item_id' } },
        { ...GOOD, key: { id: 'item_id', no: 'item_id' } },
        'products',
      ],
    })
    expect(problems.map(({ path, problem }) => `${path}: ${problem}`)).toEqual([
      'tables[0].were: unknown setting',
      'tables[0].source: "a.b.c" is not a table name',
      'tables[0].key: names no key column',
      'tables[0].forward.a: is not an SQL expression',
      'tables[0].forward.b: is not an SQL expression',
      'tables[1].forward.item_id: is a key column, which `key` maps already',
      'tables[1].reverse.id: is a key column, which `key` maps already',
      'tables[2].target: catalog."Items" is filled by tables[1] already',
      'tables[2].key.no: item_id is named twice',
      'tables[3]: is not an object',
    ])
    expect(problems.every(({ remedy }) => remedy.length > 0)).toBe(true)
  })

  it.each([undefined, null, 5, {}, { tables: [] }, { tables: {} }])('refuses %j', value => {
    expect(problemsOf(value)).toMatchObject([{ path: 'tables', problem: 'lists no mapping' }])
  })
})

describe('a computed key', () => {
  const CODED = { ...GOOD, key: { id: { to: 'code', forward: `'P' || id`, reverse: 'substr(code, 2)::int' } } }

  it('is an expression each way', () => {
    const sync = parseSync({ tables: [CODED] })
    const ways = (['forward', 'reverse'] as const).flatMap(direction => flowsOf(sync, direction))
    expect(ways.map(({ key, columns }) => ({ key, first: columns[0] }))).toEqual([
      { key: [{ from: 'id', to: 'code', computed: true }], first: { to: 'code', expression: `'P' || id` } },
      { key: [{ from: 'code', to: 'id', computed: true }], first: { to: 'id', expression: 'substr(code, 2)::int' } },
    ])
  })

  it('invariant 13: needs a way back where the mapping has one, and nothing else', () => {
    const key = { id: { to: 'code', forward: '', backward: 'x' } }
    expect(problemsOf({ tables: [{ ...GOOD, key }] }).map(({ path, problem }) => `${path}: ${problem}`)).toEqual([
      'tables[0].key.id.backward: unknown setting',
      'tables[0].key.id.forward: is not an SQL expression',
      'tables[0].key.id: has no way back, and the mapping has',
    ])
  })
})

describe('reads', () => {
  const reading = (reads: unknown) =>
    problemsOf({ tables: [{ ...GOOD, reads }] }).map(({ path, problem }) => `${path}: ${problem}`)

  it('says which rows of another table belong to a row, in one way or several', () => {
    const reads = { 'sales.lines': { product_id: 'id' }, codes: [{ code: 'unit' }, { code: 'origin' }] }
    const [table] = parseSync({ tables: [{ ...GOOD, reads }] }).tables
    expect(table?.reads).toEqual([
      { table: { schema: 'sales', table: 'lines' }, matches: [[{ column: 'product_id', equals: 'id' }]], columns: [] },
      {
        table: { schema: 'public', table: 'codes' },
        matches: [[{ column: 'code', equals: 'unit' }], [{ column: 'code', equals: 'origin' }]],
        columns: [],
      },
    ])
  })

  it.each([
    ['lines', 'tables[0].reads: is not an object'],
    [{ 'a.b.c': { id: 'id' } }, 'tables[0].reads["a.b.c"]: "a.b.c" is not a table name'],
    [{ lines: {} }, 'tables[0].reads["lines"]: does not say which rows belong to a row of the source table'],
    [{ lines: { id: 5 } }, 'tables[0].reads["lines"]: does not say which rows belong to a row of the source table'],
    [{ lines: [] }, 'tables[0].reads["lines"]: does not say which rows belong to a row of the source table'],
    [{ lines: { id: 'id' }, 'public.lines': { id: 'no' } }, 'tables[0].reads["public.lines"]: is read twice'],
    [
      { 'old.products': { id: 'id' } },
      'tables[0].reads["old.products"]: expressions cannot tell it from public.products: both are products',
    ],
  ])('invariant 13: refuses %j', (reads, problem) => {
    expect(reading(reads)).toEqual([problem])
  })
})

describe('each', () => {
  const rows = 'unnest(tags) AS tag(name)'
  const each = { rows, key: { tag: 'tag.name' } }
  const ONE = { source: 'products', target: 'tags', key: { id: 'id' }, each, forward: { name: 'upper(tag.name)' } }

  it('is a key of its own behind that of the source row, whose columns are named with their table', () => {
    const [flow] = flowsOf(parseSync({ tables: [ONE] }), 'forward')
    expect(flow).toMatchObject({ each: { rows, key: [{ to: 'tag', expression: 'tag.name' }] }, key: [{ from: 'id' }] })
    expect(flow?.columns).toEqual([
      { to: 'id', expression: '"products"."id"' },
      { to: 'tag', expression: 'tag.name' },
      { to: 'name', expression: 'upper(tag.name)' },
    ])
  })

  it.each([
    [{ each: rows }, ['each: is not an object']],
    [
      { each: { key: {}, row: rows } },
      ['each.row: unknown setting', 'each.rows: does not say', 'each.key: names no column'],
    ],
    [{ each: { rows, key: { id: 'tag.name' } } }, ['each.key.id: is a key column']],
    [{ forward: { tag: 'tag.name' } }, ['forward.tag: is a key column']],
    [{ forward: () => null, columns: { forward: ['name'] } }, ['forward: is a function, and the mapping has `each`']],
    [{ reads: { lines: { product: 'id' } } }, ['reads: stands beside `each`']],
    [{ reverse: { name: 'name' } }, ['reverse: stands beside `each`']],
  ])('invariant 13: refuses %j', (change, expected) => {
    const problems = problemsOf({ tables: [{ ...ONE, ...change }] })
    expect(problems.map(({ path, problem }) => `${path}: ${problem}`)).toEqual(
      expected.map(text => expect.stringContaining(`tables[0].${text}`)),
    )
  })
})

describe('back', () => {
  const { reverse: _, ...FORWARD } = GOOD
  const BACK = { source: 'Catalog."Items"', target: 'products', key: { item_id: 'id' }, forward: { name_en: 'title' } }

  it('runs in reverse alone, as it is written', () => {
    const sync = parseSync({ tables: [FORWARD], back: [{ ...BACK, within: 'sold' }] })
    expect(flowsOf(sync, 'forward')).toHaveLength(1)
    expect(flowsOf(sync, 'reverse')).toEqual([
      {
        path: 'back[0]',
        from: { schema: 'catalog', table: 'Items' },
        to: { schema: 'public', table: 'products' },
        key: [{ from: 'item_id', to: 'id' }],
        where: null,
        columns: [
          { to: 'id', expression: '"item_id"' },
          { to: 'name_en', expression: 'title' },
        ],
        within: { where: 'sold', reads: [] },
        reads: [],
        back: true,
      },
    ])
  })

  it.each([
    [{ tables: [FORWARD], back: BACK }, ['back: is not a list']],
    [{ tables: [FORWARD], bakc: [] }, ['bakc: unknown setting']],
    [{ tables: [{ ...FORWARD, within: 'sold' }] }, ['tables[0].within: unknown setting']],
    [{ tables: [GOOD], back: [BACK] }, ['back[0].target: public.products is filled by tables[0].reverse already']],
    [{ tables: [FORWARD], back: [BACK, BACK] }, ['back[1].target: public.products is filled by back[0] already']],
    [
      { tables: [FORWARD], back: [{ ...BACK, reverse: {}, key: {} }] },
      ['back[0].reverse: leads', 'back[0].key: names no'],
    ],
  ])('invariant 13: refuses %j', (sync, expected) => {
    expect(problemsOf(sync).map(({ path, problem }) => `${path}: ${problem}`)).toEqual(
      expected.map(text => expect.stringContaining(text)),
    )
  })
})

describe('flowsOf', () => {
  it('forward: the key first, then the mapping, with the filter', () => {
    expect(flowsOf(parseSync({ tables: [GOOD] }), 'forward')).toEqual([
      {
        path: 'tables[0]',
        from: { schema: 'public', table: 'products' },
        to: { schema: 'catalog', table: 'Items' },
        key: [{ from: 'id', to: 'item_id' }],
        where: 'deleted_at is null',
        columns: [
          { to: 'item_id', expression: '"id"' },
          { to: 'title', expression: 'name_en' },
        ],
        reads: [],
      },
    ])
  })

  it('reverse: both sides change places, and mappings without a way back are left out', () => {
    const { reverse: _, ...oneWay } = { ...GOOD, target: 'other' }
    expect(flowsOf(parseSync({ tables: [GOOD, oneWay] }), 'reverse')).toEqual([
      {
        path: 'tables[0]',
        from: { schema: 'catalog', table: 'Items' },
        to: { schema: 'public', table: 'products' },
        key: [{ from: 'item_id', to: 'id' }],
        where: null,
        columns: [
          { to: 'id', expression: '"item_id"' },
          { to: 'name_en', expression: 'title' },
        ],
        within: { where: 'deleted_at is null', reads: [] },
        reads: [],
      },
    ])
  })
})

describe('functions', () => {
  const table = { source: 'products', target: 'items', key: { id: 'id' } }
  const problemsOf = (mapping: Record<string, unknown>) => {
    try {
      parseSync({ tables: [{ ...table, ...mapping }] })
      return []
    } catch (error) {
      return error instanceof FicusError ? String(error.message).split('\n').slice(1) : [String(error)]
    }
  }
  const forward = () => null

  it('are taken with the columns that they fill', () => {
    expect(
      parseSync({ tables: [{ ...table, columns: { forward: ['a'] }, forward }] }).tables[0]?.forward,
    ).toMatchObject({
      columns: [{ to: 'a' }],
      compute: forward,
    })
  })

  it.each([
    ['columns.forward: does not say', { forward }],
    ['columns.forward: does not say', { forward, columns: { forward: [] } }],
    ['columns.forward[1]: a is listed twice', { forward, columns: { forward: ['a', 'a'] } }],
    ['columns.forward[0]: is not a column name', { forward, columns: { forward: [7] } }],
    ['forward.id: is a key column', { forward, columns: { forward: ['id'] } }],
    ['columns.forward: lists columns of no function', { forward: { a: 'b' }, columns: { forward: ['a'] } }],
    ['columns: is not an object', { forward: { a: 'b' }, columns: ['a'] }],
    ['forward: is a function, and', { forward, columns: { forward: ['a'] }, reads: { lines: { product: 'id' } } }],
  ])('%s', (problem, mapping) => {
    expect(problemsOf(mapping).join('\n')).toContain(problem)
  })
})
