import { describe, expect, it } from 'vitest'
import { parsePact } from './pact.ts'

const parties = { consumer: { name: 'web' }, provider: { name: 'store' } }
const specification = (version: string) => ({ metadata: { pactSpecification: { version } } })
const read = (pact: object) => parsePact(JSON.stringify(pact), 'web-store.json')
const answer = { response: { status: 200 } }

describe('parsePact', () => {
  it('reads version 3: several states with parameters, and counts messages apart', () => {
    const pact = read({
      ...parties,
      ...specification('3.0.0'),
      interactions: [
        {
          description: 'a book',
          providerStates: [{ name: 'a book exists', params: { id: 7 } }, { name: 'it is cheap' }],
          request: { method: 'get', path: '/books/7' },
          ...answer,
        },
      ],
      messages: [{ description: 'a book was added' }],
    })
    expect(pact).toMatchObject({ consumer: 'web', provider: 'store', specification: '3.0.0', messages: 1 })
    expect(pact.interactions).toMatchObject([
      {
        method: 'GET',
        path: '/books/7',
        states: [
          { name: 'a book exists', params: { id: 7 } },
          { name: 'it is cheap', params: {} },
        ],
      },
    ])
  })

  it('reads version 4 and leaves interactions that are not HTTP out, counted', () => {
    const { interactions, messages } = read({
      ...parties,
      ...specification('4.0'),
      interactions: [
        { type: 'Asynchronous/Messages', description: 'a book was added' },
        { type: 'Synchronous/HTTP', description: 'books', request: { method: 'GET', path: '/books' }, ...answer },
      ],
    })
    expect(interactions.map(({ description }) => description)).toEqual(['books'])
    expect(messages).toBe(1)
  })

  it('reads version 2: one state by name, no specification', () => {
    const { specification, interactions } = read({
      ...parties,
      interactions: [
        {
          description: 'books',
          providerState: 'books exist',
          request: { method: 'GET', path: '/books?page=2' },
          ...answer,
        },
      ],
    })
    expect(specification).toBe('2.0.0')
    expect(interactions).toMatchObject([{ path: '/books', states: [{ name: 'books exist', params: {} }] }])
  })

  it('keeps an interaction as it stands in the file', () => {
    const source = { description: 'books', request: { method: 'GET', path: '/books' }, ...answer, generators: { x: 1 } }
    expect(read({ ...parties, interactions: [source] }).interactions[0]?.source).toEqual(source)
  })

  it.each([
    ['not JSON', '{', /web-store\.json is not a pact file: .*JSON/],
    ['no consumer', '{"provider":{"name":"store"}}', /web-store\.json is not a pact file: [\s\S]*consumer/],
    [
      'an interaction without a request',
      JSON.stringify({ ...parties, interactions: [{ description: 'books' }] }),
      /the request of "books"/,
    ],
  ])('names the file and what is wrong with it: %s', (_, text, message) => {
    expect(() => parsePact(text, 'web-store.json')).toThrow(expect.objectContaining({ code: 'FICUS_PACT_MISSING' }))
    expect(() => parsePact(text, 'web-store.json')).toThrow(message)
  })
})
