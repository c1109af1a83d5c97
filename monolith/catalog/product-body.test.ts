import { describe, expect, it } from 'vitest'
import { Problem } from '../web/problem.ts'
import { parseProduct, parseProductPatch } from './product-body.ts'

const minimal = { sku: 'A-1', name: { en: 'Pot' }, category: { slug: 'pots' }, price: { amount: '5' } }

describe('parseProduct', () => {
  it('fills in the defaults of what a whole product leaves out', () => {
    expect(parseProduct(minimal)).toMatchObject({
      columns: { sku: 'A-1', price: '5.00', sale_price: null, currency: 'EUR', active: true, attributes: {}, tags: [] },
      images: [],
    })
  })

  it('names every field that is missing or wrong at once', () => {
    expect(fieldsOf(() => parseProduct({ sku: ' ', price: { amount: 5, currency: 'euro' }, tags: 'gift' }))).toEqual({
      sku: 'must not be empty',
      name: 'must be {en, de, fr}',
      category: 'must be {id} or {slug}',
      'price.amount': 'must be an amount in quotes, such as "19.90"',
      'price.currency': 'must be a code such as "EUR"',
      tags: 'must be a list of texts',
    })
  })

  it.each([
    ['price.amount', { price: { amount: '-1' } }],
    ['price.amount', { price: { amount: '1.999' } }],
    ['price.amount', { price: { amount: '12345678901' } }],
    ['price.sale', { price: { amount: '1', sale: 'x' } }],
    ['weight_g', { weight_g: 1.5 }],
    ['active', { active: 'yes' }],
    ['attributes', { attributes: ['a'] }],
    ['attributes', { attributes: { deep: [{ nul: '\0' }] } }],
    ['name.en', { name: { en: 'a\0b' } }],
    ['brand', { brand: 'Nordlys' }],
    ['images.0.url', { images: [{ url: '' }] }],
    ['tax_class', { tax_class: 'luxury' }],
  ])('refuses %s in %j', (path, body) => {
    expect(Object.keys(fieldsOf(() => parseProduct({ ...minimal, ...body })))).toEqual([path])
  })

  it.each([null, undefined, 'text', []])('refuses %j as a body', body => {
    expect(Object.keys(fieldsOf(() => parseProduct(body)))).toEqual(['body'])
  })
})

describe('parseProductPatch', () => {
  it('changes only what it names', () => {
    expect(parseProductPatch({ price: { sale: null }, name: { de: 'Topf' } }).columns).toEqual({
      sale_price: null,
      name_de: 'Topf',
    })
  })
})

function fieldsOf(work: () => unknown): Readonly<Record<string, string>> {
  try {
    work()
  } catch (error) {
    if (error instanceof Problem && error.fields !== undefined) return error.fields
    throw error
  }
  throw new Error('nothing was refused')
}
