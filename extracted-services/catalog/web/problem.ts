/** An answer other than success that a route gives on purpose; the error handler turns it into JSON. */
export class Problem extends Error {
  readonly status: number
  /** What programs look at, such as `not_found`. */
  readonly code: string
  /** By the path in the body or the query, such as `price.amount`. */
  readonly fields: Readonly<Record<string, string>> | undefined

  constructor(status: number, code: string, message: string, fields?: Readonly<Record<string, string>>) {
    super(message)
    this.status = status
    this.code = code
    this.fields = fields
  }
}

export function notFound(what: string): Problem {
  return new Problem(404, 'not_found', `${what} was not found`)
}

/** @param fields what is wrong with each, as a phrase that follows its name: `{ tags: 'must be a list of texts' }`. */
export function invalid(fields: Readonly<Record<string, string>>): Problem {
  const list = Object.entries(fields).map(([path, problem]) => `${path} ${problem}`)
  return new Problem(422, 'validation', list.join('; '), fields)
}

export function unauthorized(message: string): Problem {
  return new Problem(401, 'unauthorized', message)
}
