import type { ServerResponse } from 'node:http'
import type { FicusError } from '@ficus/core/errors/ficus-error'
import { SIDE_HEADER } from './headers.ts'

export interface AnswerOptions {
  /** `x-ficus-side`, or null. */
  readonly side?: string | null
  readonly close?: boolean
}

/**
 * Answers with an error of the edge's own: `{"error": {"code", "message"}}`. The remedy is for operators and stays in the
 * log. Nothing may have been answered before.
 */
export function answerError(response: ServerResponse, error: FicusError, options: AnswerOptions = {}): number {
  const { status } = error
  const body = JSON.stringify({ error: { code: error.code, message: error.message } })
  const headers = ['content-type', 'application/json; charset=utf-8', 'content-length', String(Buffer.byteLength(body))]
  headers.push('cache-control', 'no-store')
  if (status === 503) headers.push('retry-after', '1')
  if (options.side != null) headers.push(SIDE_HEADER, options.side)
  if (options.close === true) headers.push('connection', 'close')
  response.writeHead(status, headers)
  response.end(body)
  return status
}
