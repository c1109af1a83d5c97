import { messageOf } from '@ficus/core/errors/ficus-error'
import type { Logger } from '@ficus/core/log/logger'
import type { FinishedExchange } from '../forward/exchange.ts'
import { rawTarget } from '../route/target.ts'

/**
 * Logs failed requests, and all of them at level debug. Paths without their queries and no headers: either may hold what
 * a log must not.
 */
export function logRequest(log: Logger, exchange: FinishedExchange): void {
  const failed = exchange.error !== null || exchange.status >= 500
  if (!failed && !log.isLevelEnabled('debug')) return
  const { plan, error } = exchange
  const entry = {
    method: exchange.request.method,
    path: rawTarget(exchange.request).replace(/\?.*$/, ''),
    capability: plan.match?.capability ?? null,
    side: plan.side,
    reason: plan.reason,
    status: exchange.status,
    ms: Math.round(exchange.milliseconds * 10) / 10,
    ...(exchange.abandoned ? { abandoned: true } : {}),
    ...(error === null ? {} : { code: error.code, cause: messageOf(error.cause), remedy: error.remedy }),
  }
  if (failed) log.warn(entry, error?.message ?? 'the upstream answered with an error')
  else log.debug(entry, 'request')
}
