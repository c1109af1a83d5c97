import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { unauthorized } from './problem.ts'

/** Lets only those write who bring the key in `x-api-key`. @throws Problem 401. */
export function requireApiKey(request: FastifyRequest, expected: string): void {
  const key = request.headers['x-api-key']
  if (key === undefined) throw unauthorized('Log in first')
  if (typeof key !== 'string' || !sameSecret(key, expected)) throw unauthorized('The x-api-key is not valid')
}

/** Hashed first, because the comparison wants equal lengths and a length would tell something. */
function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
