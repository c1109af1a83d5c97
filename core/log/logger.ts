import { type Logger, pino } from 'pino'

export type { Logger }

const SECRETS = ['password', 'token', 'adminToken', 'secret', 'cookieSecret']

/**
 * A process's logger: JSON lines on standard error, so that standard output stays free for what a command prints.
 * Secrets are left out wherever they stand under these names, at the top or one level below.
 */
export function createLogger(name: string, level = 'info'): Logger {
  const redact = [...SECRETS, ...SECRETS.map(secret => `*.${secret}`), 'headers.authorization', 'headers.cookie']
  return pino({ name, level, redact }, pino.destination(2))
}

/** `postgres://user:secret@host/db` without its password, for messages and logs. Not an address: returned as it is. */
export function hidePassword(url: string): string {
  if (!URL.canParse(url)) return url
  const parsed = new URL(url)
  if (parsed.password !== '') parsed.password = '***'
  return parsed.href
}
