import { expect, it } from 'vitest'
import { compareTypes, isWider } from './column-types.ts'

it.each([
  ['smallint', 'integer'],
  ['integer', 'bigint'],
  ['character varying(10)', 'character varying(20)'],
  ['character varying(10)', 'character varying'],
  ['character varying(10)', 'text'],
  ['numeric(12,2)', 'numeric(14,2)'],
  ['numeric(12,2)', 'numeric'],
])('%s -> %s reads old events as they were meant', (before, now) => {
  expect(isWider(before, now)).toBe(true)
  expect(isWider(now, before)).toBe(false)
})

it.each([
  ['date', 'timestamp without time zone'],
  ['timestamp without time zone', 'timestamp with time zone'],
  ['integer', 'date'],
  ['real', 'double precision'],
  ['numeric(12,2)', 'numeric(12,3)'],
  ['numeric', 'numeric(12,2)'],
  ['character varying', 'character varying(20)'],
  ['integer', 'text'],
  ['interval', 'text'],
  ['integer[]', 'bigint[]'],
  ['"my type"', 'text'],
])('invariant 13: %s -> %s may mean something else', (before, now) => {
  expect(isWider(before, now)).toBe(false)
})

const types = (columns: Record<string, [number, string]>) => ({
  t: Object.fromEntries(Object.entries(columns).map(([name, [number, type]]) => [name, { number, type }])),
})

it('leaves names that come and go to the events, which show them', () => {
  expect(compareTypes(types({ a: [1, 'integer'], b: [2, 'text'] }), types({ a: [1, 'integer'], c: [2, 'text'] }))).toBe(
    false,
  )
  expect(compareTypes(types({ a: [1, 'integer'] }), {})).toBe(false)
})

it('tells a wider type', () => {
  expect(compareTypes(types({ a: [1, 'integer'] }), types({ a: [1, 'bigint'] }))).toBe(true)
})

it.each([
  ['another type', types({ a: [1, 'date'] }), 't.a was integer and is now date'],
  ['another column of that name', types({ a: [3, 'integer'] }), 't.a is another column than before'],
])('invariant 13: stops at %s', (_, now, message) => {
  expect(() => compareTypes(types({ a: [1, 'integer'] }), now)).toThrow(
    expect.objectContaining({ code: 'FICUS_SOURCE_CHANGED', message: expect.stringContaining(message) }),
  )
})
