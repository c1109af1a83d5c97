import { FicusError, messageOf, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { errors } from 'undici'

/** Codes of a connection that could not be made. */
const REFUSED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EACCES',
])

const TIMED_OUT = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])

/** Codes of an answer that is not HTTP, or not the HTTP it announced. */
const INVALID = /^UND_ERR_(HEADERS_OVERFLOW|RES_|RESPONSE)|^ERR_(INVALID_CHAR|HTTP_INVALID_)/

/** Codes of a certificate that does not verify. */
const CERTIFICATE = /^(ERR_TLS_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/

/**
 * Names a failure of an upstream. The message goes to the client and holds no address; the cause goes to the log.
 * @param upstream as a person knows it: `the monolith`.
 */
export function upstreamError(error: unknown, upstream: string): FicusError {
  if (error instanceof FicusError) return error
  const code = systemCodeOf(error) ?? ''
  if (TIMED_OUT.has(code)) return named('FICUS_UPSTREAM_TIMEOUT', `${upstream} did not answer in time`, error)
  if (REFUSED.has(code)) return named('FICUS_UPSTREAM_REFUSED', `${upstream} refused the connection`, error)
  if (CERTIFICATE.test(code)) {
    return new FicusError('FICUS_UPSTREAM_REFUSED', `${upstream} has a certificate that cannot be trusted`, {
      cause: error,
      remedy: 'Give the upstream a certificate of a known authority (NODE_EXTRA_CA_CERTS adds one) with its own name.',
    })
  }
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') {
    return named('FICUS_REQUEST_INVALID', `the request cannot be forwarded: ${messageOf(error)}`, error)
  }
  if (code === 'UND_ERR_CLOSED' || code === 'UND_ERR_DESTROYED') {
    return named('FICUS_EDGE_DRAINING', 'this edge is shutting down', error)
  }
  if (INVALID.test(code) || error instanceof errors.HTTPParserError)
    return named('FICUS_UPSTREAM_INVALID', `${upstream} gave an answer that is not valid`, error)
  return named('FICUS_UPSTREAM_RESET', `${upstream} closed the connection before a whole answer`, error)
}

function named(code: ConstructorParameters<typeof FicusError>[0], message: string, cause: unknown): FicusError {
  return new FicusError(code, message, { cause })
}
