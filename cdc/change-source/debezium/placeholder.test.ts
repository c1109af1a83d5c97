import { expect, it } from 'vitest'
import { Placeholder } from './placeholder.ts'

const placeholder = new Placeholder('ficus.unchanged')

it('knows the placeholder', () => {
  expect(placeholder.stands('ficus.unchanged')).toBe(true)
})

it.each([
  ['a longer text', 'ficus.unchanged!'],
  ['an array that holds it', ['ficus.unchanged']],
  ['null', null],
])('takes %s for a value', (_, value) => {
  expect(placeholder.stands(value)).toBe(false)
})
