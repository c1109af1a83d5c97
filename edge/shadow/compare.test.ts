import { brotliCompressSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Answer } from './capture.ts'
import { compareAnswers, decoded } from './compare.ts'

function answer(body: string | Buffer, changes: Partial<Answer> = {}): Answer {
  const plain = { status: 200, contentType: 'application/json; charset=utf-8', contentEncoding: null }
  return { ...plain, body: Buffer.from(body), ...changes }
}

const kind = (control: Answer, candidate: Answer) => compareAnswers(control, candidate, [['at']]).kind

describe('compareAnswers', () => {
  it.each([
    ['the same bytes', answer('{"a":1}'), answer('{"a":1}'), 'matched'],
    ['another order and spacing', answer('{"a":1,"b":2}'), answer('{ "b": 2, "a": 1.0 }'), 'matched'],
    ['an ignored field', answer('{"a":1,"at":1}'), answer('{"a":1,"at":2}'), 'matched'],
    ['another value', answer('{"a":1}'), answer('{"a":2}'), 'mismatched'],
    ['another status', answer('{}'), answer('{}', { status: 404 }), 'mismatched'],
    ['another type', answer('{}'), answer('<p>', { contentType: 'text/html' }), 'mismatched'],
    ['other text', answer('a', { contentType: 'text/html' }), answer('b', { contentType: 'text/html' }), 'mismatched'],
    ['JSON that is none', answer('{"a":1}'), answer('{"a":'), 'mismatched'],
    ['a vendor’s JSON', answer('[1,2]', { contentType: 'application/vnd.x+json' }), answer('[1, 2]'), 'matched'],
    ['integers past 2^53', answer('{"id":9007199254740993}'), answer('{"id":9007199254740992}'), 'mismatched'],
  ])('%s', (_what, control, candidate, expected) => {
    expect(kind(control, candidate)).toBe(expected)
  })

  it('says where they differ', () => {
    expect(compareAnswers(answer('{"a":{"b":1}}'), answer('{"a":{"b":2}}'), [])).toEqual({
      kind: 'mismatched',
      differences: [{ path: 'a.b', control: '1', candidate: '2' }],
    })
  })
})

describe('decoded', () => {
  it.each([
    ['gzip', gzipSync('{"a":1}')],
    ['br', brotliCompressSync('{"a":1}')],
    ['identity', Buffer.from('{"a":1}')],
  ])('undoes %s', async (contentEncoding, body) => {
    expect((await decoded(answer(body, { contentEncoding }), 100))?.body.toString()).toBe('{"a":1}')
  })

  it.each([
    ['an unknown coding', 'aws-chunked', Buffer.from('x')],
    ['a body that is not what its coding says', 'gzip', Buffer.from('x')],
    ['a bomb', 'gzip', gzipSync(Buffer.alloc(10_000_000))],
  ])('gives up on %s', async (_what, contentEncoding, body) => {
    expect(await decoded(answer(body, { contentEncoding }), 1_000)).toBeNull()
  })
})
