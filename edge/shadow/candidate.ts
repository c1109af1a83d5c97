import type { Dispatcher } from 'undici'
import { SHADOW_HEADER } from '../forward/headers.ts'
import { dispatchOptions, type Upstream } from '../forward/upstream.ts'
import { type Answer, Capture, type MirroredRequest } from './capture.ts'

/** The validators of what the user has already are the control's; the candidate is asked for the whole answer. */
const CONDITIONAL = /^(?:if-(?:none-)?match|if-(?:un)?modified-since|if-range|range)$/i

export type CandidateResult = Answer | 'timeout' | 'unreachable' | 'too_large'

/** Asks the service what the user asked the monolith. Resolves within `timeout` milliseconds and never rejects. */
export function askCandidate(
  request: MirroredRequest,
  service: Upstream,
  limits: { readonly timeout: number; readonly maxBodyBytes: number },
): Promise<CandidateResult> {
  const { promise, resolve } = Promise.withResolvers<CandidateResult>()
  const capture = new Capture(request, limits.maxBodyBytes)
  let abort: (() => void) | undefined
  let over = false
  const end = (result: CandidateResult) => {
    if (over) return
    over = true
    clearTimeout(timer)
    resolve(result)
    if (typeof result === 'string') abort?.()
  }
  const timer = setTimeout(() => end('timeout'), limits.timeout)
  const handler: Dispatcher.DispatchHandler = {
    onConnect(stop) {
      if (over) stop()
      else abort = stop
    },
    onHeaders(status, raw) {
      if (status >= 200) capture.start(status, raw)
      return true
    },
    onData(chunk) {
      capture.add(chunk)
      if (capture.tooLarge) end('too_large')
      return true
    },
    onComplete: () => end(capture.answer()),
    onError: () => end('unreachable'),
  }
  const headers = shadowHeaders(request.headers)
  service.pool.dispatch(dispatchOptions(service, request.method, request.target, headers, null), handler)
  return promise
}

function shadowHeaders(headers: readonly string[]): string[] {
  const sent: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    if (!CONDITIONAL.test(name)) sent.push(name, headers[i + 1] ?? '')
  }
  sent.push(SHADOW_HEADER, '1')
  return sent
}
