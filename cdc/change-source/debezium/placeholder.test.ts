import { expect, it } from 'vitest'
import { Placeholder } from './placeholder.ts'

const placeholder = new Placeholder('ficus.unchanged')

it.each([
  ['a text', 'ficus.unchanged'],
  ['an array of texts', ['ficus.unchanged']],
  ['an array of numbers', [...Buffer.from('ficus.unchanged')]],
  // As Debezium 3.7 sent it.
  ['an array of UUIDs', ['8580e089-b8aa-31be-9ae5-406f5fd1e401']],
])('knows the placeholder in %s', (_, value) => {
  expect(placeholder.stands(value)).toBe(true)
})

it.each([
  ['a longer text', 'ficus.unchanged!'],
  ['an array of several texts', ['ficus.unchanged', 'a']],
  ['other numbers', [...Buffer.from('ficus.Unchanged')]],
  ['an empty array', []],
  ['null', null],
])('takes %s for a value', (_, value) => {
  expect(placeholder.stands(value)).toBe(false)
})
