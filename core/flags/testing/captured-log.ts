import { type Logger, pino } from 'pino'

/** A logger whose messages a test can read. */
export function capturedLog(): { logger: Logger; messages: string[] } {
  const messages: string[] = []
  const logger = pino({ level: 'debug' }, { write: (line: string) => messages.push(JSON.parse(line).msg) })
  return { logger, messages }
}
