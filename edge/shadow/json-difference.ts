/** One place where two JSON values differ. */
export interface Difference {
  /** `items.0.price`; empty for the whole value. */
  readonly path: string
  readonly control: string
  readonly candidate: string
}

/** Characters of a value that are kept for a person. */
const SHOWN = 120

/** Paths that are not compared, such as `generatedAt` or `items.*.score`; `*` stands for any one name or index. */
export type IgnoredPaths = readonly (readonly string[])[]

export function parseIgnoredPaths(paths: readonly string[]): IgnoredPaths {
  return paths.map(path => path.split('.'))
}

/**
 * The first places, at most `limit`, where two parsed JSON values differ. Objects are compared whatever the order of
 * their members; a member that only one side has differs, unless its path is ignored.
 */
export function differences(control: unknown, candidate: unknown, ignored: IgnoredPaths, limit: number): Difference[] {
  const found: Difference[] = []
  compareAt([], control, candidate, ignored, limit, found)
  return found
}

function compareAt(
  path: readonly string[],
  control: unknown,
  candidate: unknown,
  ignored: IgnoredPaths,
  limit: number,
  found: Difference[],
): void {
  if (found.length >= limit || Object.is(control, candidate)) return
  if (ignored.some(pattern => isAt(pattern, path))) return
  if (!isContainer(control) || !isContainer(candidate) || Array.isArray(control) !== Array.isArray(candidate)) {
    // JSON has one zero: -0 and 0 are the same number.
    if (control !== candidate)
      found.push({ path: path.join('.'), control: shown(control), candidate: shown(candidate) })
    return
  }
  for (const key of new Set([...Object.keys(control), ...Object.keys(candidate)])) {
    compareAt([...path, key], memberOf(control, key), memberOf(candidate, key), ignored, limit, found)
  }
}

function isContainer(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function memberOf(container: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(container, key) ? container[key] : undefined
}

function isAt(pattern: readonly string[], path: readonly string[]): boolean {
  return pattern.length === path.length && pattern.every((part, i) => part === '*' || part === path[i])
}

function shown(value: unknown): string {
  const text = value === undefined ? '(absent)' : JSON.stringify(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
}
