import { expect, it } from 'vitest'
import type { ItemColumns } from './product.ts'
import { parseProduct, parseProductPatch } from './product-body.ts'
import { BLANK, changed } from './product-change.ts'

const kettle: ItemColumns = {
  code: 'KIT-1',
  taxon_id: 5,
  maker_id: 3,
  titles: { en: 'Kettle', de: 'Kessel' },
  descriptions: { en: '', de: 'Kocht.' },
  price_minor: '1990',
  sale_minor: '1490',
  currency: 'EUR',
  facts: { color: 'red', weight_g: 900, attributes: { watts: 2200 } },
  labels: ['gift'],
  cover_url: '/1.svg',
  state: 'draft',
}

const patch = (body: unknown) => changed(kettle, parseProductPatch(body), undefined)

it('leaves everything that a patch does not name', () => {
  expect(patch({})).toEqual(kettle)
})

it('merges translations and takes away those that are null or empty', () => {
  expect(patch({ name: { de: null, fr: 'Bouilloire' }, description: { de: '' } })).toEqual({
    ...kettle,
    titles: { en: 'Kettle', fr: 'Bouilloire' },
    descriptions: { en: '' },
  })
})

it('changes one part of the price', () => {
  expect(patch({ price: { amount: '7.5' } })).toEqual({ ...kettle, price_minor: '750' })
  expect(patch({ price: { sale: null } })).toEqual({ ...kettle, sale_minor: null })
})

it('gathers facts, and replaces the attributes whole', () => {
  expect(patch({ color: null, size: 'L', attributes: { bpa: false } }).facts).toEqual({
    size: 'L',
    weight_g: 900,
    attributes: { bpa: false },
  })
})

it('takes the cover from the first picture', () => {
  expect(patch({ images: [{ url: '/a.svg' }, { url: '/b.svg' }] }).cover_url).toBe('/a.svg')
  expect(patch({ images: [] }).cover_url).toBeNull()
})

it('starts a whole product from nothing', () => {
  const body = { sku: 'X', name: { en: 'X' }, category: { slug: 'x' }, price: { amount: '01.00' } }
  expect(changed(BLANK, parseProduct(body), 9)).toEqual({
    ...BLANK,
    code: 'X',
    taxon_id: 9,
    titles: { en: 'X' },
    price_minor: '100',
  })
})

it('names every field that is wrong', () => {
  expect(() => parseProduct({ sku: '', price: {} })).toThrow(
    'sku must not be empty; name must be {en, de, fr}; category must be {id} or {slug}; price.amount is required',
  )
})
