/**
 * A value that the environment gives when the config is loaded. The config file itself reads nothing, so that it can
 * be imported anywhere and its errors can name the variable.
 */
export class FromEnv {
  readonly variable: string
  readonly fallback: string | undefined

  constructor(variable: string, fallback: string | undefined) {
    this.variable = variable
    this.fallback = fallback
  }
}

/**
 * `fromEnv('DATABASE_URL')` takes the variable's value; `fromEnv('PORT', '7080')` falls back where it is unset.
 * It may stand for any value; numbers, and true and false, are read from their text. A variable that is set to nothing
 * counts as unset.
 */
export function fromEnv(variable: string, fallback?: string): FromEnv {
  return new FromEnv(variable, fallback)
}

/** A problem of a config file: where it is, what is wrong, what to do. */
export interface ConfigProblem {
  /** As one would write it in the file: `capabilities.catalog.routes[2]`. */
  readonly path: string
  readonly problem: string
  readonly remedy: string
}

/** Replaces every `FromEnv` in a plain value. An unset variable without a fallback becomes undefined and a problem. */
export function resolveEnvironment(
  value: unknown,
  env: Readonly<Record<string, string | undefined>>,
  problems: ConfigProblem[],
  path = '',
): unknown {
  if (value instanceof FromEnv) {
    const found = env[value.variable] || value.fallback
    if (found === undefined) {
      problems.push({
        path,
        problem: `environment variable ${value.variable} is not set`,
        remedy: `Set ${value.variable}, or give fromEnv('${value.variable}', …) a fallback.`,
      })
      return undefined
    }
    return found
  }
  if (Array.isArray(value)) {
    return value.map((item, index) => resolveEnvironment(item, env, problems, `${path}[${index}]`))
  }
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        resolveEnvironment(item, env, problems, path === '' ? key : `${path}.${key}`),
      ]),
    )
  }
  return value
}
