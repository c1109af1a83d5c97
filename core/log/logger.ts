import { type Logger, pino } from 'pino'

export type { Logger }

/**
 * A process's logger: JSON lines on standard error, so that standard output stays free for what a command prints.
 * Passwords in database addresses and tokens are left out wherever they stand under these names.
 */
export function createLogger(name: string, level = 'info'): Logger {
  return pino(
    {
      name,
      level,
      redact: ['password', 'token', 'adminToken', '*.password', '*.token', 'headers.authorization', 'headers.cookie'],
    },
    pino.destination(2),
  )
}

/** `postgres://user:secret@host/db` without its password, for messages and logs. Not an address: returned as it is. */
export function hidePassword(url: string): string {
  if (!URL.canParse(url)) return url
  const parsed = new URL(url)
  if (parsed.password !== '') parsed.password = '***'
  return parsed.href
}
