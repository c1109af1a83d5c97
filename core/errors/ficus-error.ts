import { ERROR_CODES, type ErrorCode } from './codes.ts'

/** What may accompany an error besides its message. */
export interface FicusErrorOptions {
  /** The error beneath, kept for the log. */
  readonly cause?: unknown
  /** Replaces the table's remedy where a more exact one is known. */
  readonly remedy?: string
  /** Values a program may read: keys, names, positions. Never secrets. */
  readonly details?: Readonly<Record<string, unknown>>
}

/**
 * An error with a stable code and a remedy. The message says what happened and where; the remedy says what to do.
 * Two of a kind differ only by code, so that callers match on `code` and never on a message.
 */
export class FicusError extends Error {
  readonly code: ErrorCode
  readonly remedy: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: FicusErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'FicusError'
    this.code = code
    this.remedy = options.remedy ?? ERROR_CODES[code].remedy
    this.details = options.details ?? {}
  }

  /** The HTTP status where this error answers a request. */
  get status(): number {
    return ERROR_CODES[this.code].status
  }

  /** Whether the same call may succeed later without anybody changing anything. */
  get retry(): boolean {
    return ERROR_CODES[this.code].retry
  }

  /** The `ficus` command's exit code for this error. */
  get exitCode(): 1 | 2 | 3 {
    return ERROR_CODES[this.code].exit
  }

  /** What a log line, a `--json` output and an HTTP answer show: code, message, remedy and details. */
  toJSON(): Record<string, unknown> {
    return { code: this.code, message: this.message, remedy: this.remedy, details: this.details }
  }
}

/** The message of whatever was thrown. An AggregateError (Node's answer to a refused `localhost`) often has none of its own. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

/** The system's or the server's own code of an error: `ECONNREFUSED`, or PostgreSQL's SQLSTATE such as `28P01`. */
export function systemCodeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError && !('code' in error)) return systemCodeOf(error.errors[0])
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code
  return undefined
}
