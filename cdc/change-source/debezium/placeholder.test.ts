import { expect, it } from 'vitest'
import { Placeholder } from './placeholder.ts'

const placeholder = new Placeholder('ficus.unchanged')

it.each([
  ['a text', 'ficus.unchanged'],
  // As Debezium 3.7 sent it.
  ['an hstore', '{"ficus.unchanged":"ficus.unchanged"}'],
])('knows the placeholder in %s', (_, value) => {
  expect(placeholder.stands(value)).toBe(true)
})

it.each([
  ['a longer text', 'ficus.unchanged!'],
  ['an array that holds it', ['ficus.unchanged']],
  ['null', null],
])('takes %s for a value', (_, value) => {
  expect(placeholder.stands(value)).toBe(false)
})
