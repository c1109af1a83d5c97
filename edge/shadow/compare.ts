import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import type { Answer } from './capture.ts'
import { type Difference, differences, type IgnoredPaths } from './json-difference.ts'

/** Differences that an example names. */
const NAMED = 5

/** Why two answers were not compared; apart from a mismatch, which is the candidate's fault. */
export type IgnoredReason =
  /** Too many shadow requests were under way. */
  | 'shed'
  /** A body beyond `edge.shadow.maxBodyBytes`. */
  | 'too_large'
  /** The control failed, so there is nothing to compare with. */
  | 'control_failed'
  /** The control answered 206 or 304: a part of an answer, or none. */
  | 'partial'
  /** An event stream. */
  | 'stream'
  /** A content coding that is not known here, or a body that is not what its coding says. */
  | 'encoding'

/** What became of one mirrored request. */
export type ShadowResult =
  | { readonly kind: 'matched' }
  | { readonly kind: 'mismatched'; readonly differences: readonly Difference[] }
  | { readonly kind: 'ignored'; readonly reason: IgnoredReason }

export const MATCHED: ShadowResult = Object.freeze({ kind: 'matched' })

/** Compares two answers whose bodies are plain. Status first; JSON as values; anything else byte by byte. */
export function compareAnswers(control: Answer, candidate: Answer, ignored: IgnoredPaths): ShadowResult {
  if (control.status !== candidate.status) {
    return mismatched([{ path: '(status)', control: String(control.status), candidate: String(candidate.status) }])
  }
  if (control.body.equals(candidate.body)) return MATCHED
  if (isJson(control) !== isJson(candidate)) {
    return mismatched([
      { path: '(content-type)', control: control.contentType ?? '', candidate: candidate.contentType ?? '' },
    ])
  }
  const values = isJson(control) ? [parseJson(control.body), parseJson(candidate.body)] : []
  const [left, right] = values
  if (left === undefined || right === undefined) {
    return mismatched([{ path: '(body)', control: size(control), candidate: size(candidate) }])
  }
  const found = differences(left.value, right.value, ignored, NAMED)
  return found.length === 0 ? MATCHED : mismatched(found)
}

/** The candidate gave no answer where the control gave one: as far as a user can tell, that differs most. */
export function unanswered(control: Answer, how: 'timeout' | 'unreachable'): ShadowResult {
  return mismatched([{ path: '(answer)', control: String(control.status), candidate: how }])
}

function mismatched(found: readonly Difference[]): ShadowResult {
  return Object.freeze({ kind: 'mismatched', differences: found })
}

function isJson({ contentType }: Answer): boolean {
  return contentType !== null && /^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType)
}

function size({ body }: Answer): string {
  return `${body.length} bytes`
}

/** Integers past 2^53 keep their digits, so that two of them are not taken for equal. */
function parseJson(body: Buffer): { readonly value: unknown } | undefined {
  const text = body.toString('utf8')
  try {
    return { value: /\d{16}/.test(text) ? JSON.parse(text, exactNumber) : JSON.parse(text) }
  } catch {
    return undefined
  }
}

function exactNumber(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || !Number.isInteger(value) || Number.isSafeInteger(value)) return value
  return context?.source ?? value
}

const DECODERS = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
} as const

/**
 * The answer with its body decoded, off the event loop and never past `limit` bytes. Null where that cannot be done.
 */
export async function decoded(answer: Answer, limit: number): Promise<Answer | null> {
  const { contentEncoding } = answer
  if (contentEncoding === null || contentEncoding === 'identity' || answer.body.length === 0) return answer
  const coding = contentEncoding.trim().toLowerCase()
  if (!Object.hasOwn(DECODERS, coding)) return null
  const decode = DECODERS[coding as keyof typeof DECODERS]
  try {
    return { ...answer, contentEncoding: null, body: await decode(answer.body, { maxOutputLength: limit }) }
  } catch {
    return null
  }
}
