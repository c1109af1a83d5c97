import { describe, expect, it } from 'vitest'
import { Problem } from '../web/problem.ts'
import { likePatterns, parseProductQuery } from './product-query.ts'

describe('parseProductQuery', () => {
  it('fills in what is left out or empty', () => {
    expect(parseProductQuery({ q: '', brand: '', other: 'x' })).toEqual({ page: 1, per_page: 20, sort: 'id' })
  })

  it('reads everything', () => {
    const query = {
      category: 'pens',
      brand: '3',
      q: 'blue cup',
      tag: 'gift',
      page: '2',
      per_page: '100',
      sort: '-price',
    }
    expect(parseProductQuery(query)).toEqual({ ...query, brand: 3, page: 2, per_page: 100 })
  })

  it.each([
    ['page', '0'],
    ['page', '1.5'],
    ['page', '99999999999999999999'],
    ['page', ['1', '2']],
    ['per_page', '101'],
    ['brand', 'x'],
    ['brand', '99999999999'],
    ['sort', 'price; drop table products'],
    ['q', 'nul \0'],
    ['tag', '\ud800'],
    ['category', 'x'.repeat(201)],
  ])('names %s when it is %j', (name, value) => {
    const failure = caught(() => parseProductQuery({ [name]: value }))
    expect(failure).toMatchObject({ status: 422, code: 'validation', fields: { [name]: expect.any(String) } })
  })
})

function caught(work: () => unknown): Problem {
  try {
    work()
  } catch (error) {
    if (error instanceof Problem) return error
  }
  throw new Error('nothing was thrown')
}

describe('likePatterns', () => {
  it('makes one pattern a word and takes its signs literally', () => {
    expect(likePatterns('  50%  a_b \\ ')).toEqual(['%50\\%%', '%a\\_b%', '%\\\\%'])
  })
})
