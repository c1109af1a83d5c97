import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { z } from 'zod'
import { FicusError, messageOf } from '../errors/ficus-error.ts'
import { type ConfigProblem, resolveEnvironment } from './environment.ts'
import { claimTheSame, routeName } from './route.ts'
import { CAPABILITY, CAPABILITY_NAME, type Capability, type Migration, SECTIONS } from './schema.ts'

/** A loaded config and where it stands; paths in it are relative to `directory`. */
export interface LoadedConfig {
  readonly file: string
  readonly directory: string
  readonly migration: Migration
}

/**
 * Imports a config file, fills in the environment and defaults, and checks all of it.
 * @param path relative to the working directory.
 * @throws FICUS_CONFIG_NOT_FOUND, or FICUS_CONFIG_INVALID whose `details.problems` (`ConfigProblem[]`) holds every problem.
 */
export async function loadConfig(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<LoadedConfig> {
  const file = resolve(path)
  if (!existsSync(file)) throw new FicusError('FICUS_CONFIG_NOT_FOUND', `there is no config file ${file}`)
  let exported: { default?: unknown }
  try {
    exported = await import(pathToFileURL(file).href)
  } catch (error) {
    throw new FicusError('FICUS_CONFIG_INVALID', `${file} cannot be imported: ${messageOf(error)}`, { cause: error })
  }
  const { migration, problems } = checkConfig(exported.default, env)
  if (migration === null) throw configInvalid(file, problems)
  return { file, directory: dirname(file), migration }
}

/** The error of a config with problems: one line a problem, each with its path and what to do. */
export function configInvalid(file: string, problems: readonly ConfigProblem[]): FicusError {
  const lines = problems.map(({ path, problem, remedy }) => `  ${path}: ${problem}\n    ${remedy}`)
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  return new FicusError('FICUS_CONFIG_INVALID', `${file} has ${count}:\n${lines.join('\n')}`, { details: { problems } })
}

/** Checks a config value. Either a migration, or all of its problems. */
export function checkConfig(
  value: unknown,
  env: Readonly<Record<string, string | undefined>>,
): { migration: Migration; problems: [] } | { migration: null; problems: readonly ConfigProblem[] } {
  const problems: ConfigProblem[] = []
  const raw = resolveEnvironment(value, env, problems)
  const unset = problems.map(({ path }) => path)
  if (!isRecord(raw)) {
    return {
      migration: null,
      problems: [
        {
          path: 'default',
          problem: 'the file does not export a migration',
          remedy: 'Write `export default defineMigration({ … })`.',
        },
      ],
    }
  }

  const check = <S extends z.ZodType>(schema: S, at: string, section: unknown): z.output<S> | undefined => {
    const result = schema.safeParse(section)
    if (result.success) return result.data
    for (const issue of result.error.issues) {
      const problem = toProblem(issue, at)
      // What an unset variable leaves behind is told once, by its name; in a union it spoils all that holds it.
      const inUnion = issue.code === 'invalid_union'
      const told = unset.some(path => path === problem.path || (inUnion && path.startsWith(`${problem.path}.`)))
      if (!told) problems.push(problem)
    }
    return undefined
  }

  const name = check(SECTIONS.name, 'name', raw.name)
  const monolith = check(SECTIONS.monolith, 'monolith', raw.monolith)
  const ledger = check(SECTIONS.ledger, 'ledger', raw.ledger)
  const flags = check(SECTIONS.flags, 'flags', raw.flags)
  const edge = check(SECTIONS.edge, 'edge', raw.edge)
  const cdc = check(SECTIONS.cdc, 'cdc', raw.cdc)
  const local = check(SECTIONS.local, 'local', raw.local)
  const capabilities: Record<string, Capability> = {}
  for (const [key, section] of Object.entries(isRecord(raw.capabilities) ? raw.capabilities : {})) {
    const capability = check(CAPABILITY, `capabilities.${key}`, section)
    if (capability !== undefined) capabilities[key] = capability
  }

  problems.push(...unknownSections(raw), ...capabilityNames(raw.capabilities))
  problems.push(...contestedRoutes(capabilities), ...sharedDatabases(monolith?.database.url, capabilities))
  if (cdc?.engine === 'debezium') problems.push(...missingForDebezium(cdc))

  if (
    problems.length > 0 ||
    name === undefined ||
    monolith === undefined ||
    ledger === undefined ||
    flags === undefined ||
    edge === undefined ||
    cdc === undefined
  ) {
    return { migration: null, problems }
  }
  return { migration: { name, monolith, ledger, flags, edge, cdc, local, capabilities }, problems: [] }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function toProblem(issue: z.core.$ZodIssue, at: string): ConfigProblem {
  const path = issue.path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}.${String(part)}`),
    at,
  )
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.join(', ')
    return { path, problem: `unknown setting ${names}`, remedy: `Delete ${names}, or correct its spelling.` }
  }
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) {
    return { path, problem: `is missing (expected ${issue.expected})`, remedy: `Add ${path}.` }
  }
  return { path, problem: issue.message.replace(/^Invalid input: /, ''), remedy: correct(path) }
}

function correct(path: string): string {
  return `Correct ${path}; core/config/schema.ts says what it may hold.`
}

function unknownSections(raw: Record<string, unknown>): ConfigProblem[] {
  return Object.keys(raw)
    .filter(key => key !== 'capabilities' && !(key in SECTIONS))
    .map(key => ({ path: key, problem: 'unknown section', remedy: `Delete ${key}, or correct its spelling.` }))
}

function capabilityNames(raw: unknown): ConfigProblem[] {
  if (!isRecord(raw) || Object.keys(raw).length === 0) {
    return [
      { path: 'capabilities', problem: 'names no capability', remedy: 'Add the first capability to be extracted.' },
    ]
  }
  return Object.keys(raw)
    .filter(name => !CAPABILITY_NAME.test(name))
    .map(name => ({
      path: `capabilities.${name}`,
      problem: `${JSON.stringify(name)} cannot be part of a flag's, a slot's and a topic's name`,
      remedy: 'Use at most 40 lower case letters, digits, dashes and underscores, a letter first.',
    }))
}

function contestedRoutes(capabilities: Readonly<Record<string, Capability>>): ConfigProblem[] {
  const routes = Object.entries(capabilities).flatMap(([name, capability]) =>
    capability.routes.map((route, index) => ({ route, path: `capabilities.${name}.routes[${index}]` })),
  )
  return routes.flatMap(({ route, path }, index) => {
    const first = routes.slice(0, index).find(earlier => claimTheSame(earlier.route, route))
    if (first === undefined) return []
    const problem = `${routeName(route)} is claimed by ${first.path} already, with ${routeName(first.route)}`
    return [{ path, problem, remedy: 'Leave these requests to one route.' }]
  })
}

function sharedDatabases(
  monolithUrl: string | undefined,
  capabilities: Readonly<Record<string, Capability>>,
): ConfigProblem[] {
  const identity = (url: string) => {
    const { hostname, port, pathname } = new URL(url)
    return `${hostname}:${port === '' ? '5432' : port}${pathname}`
  }
  return Object.entries(capabilities)
    .filter(([, { service }]) => monolithUrl !== undefined && identity(service.database.url) === identity(monolithUrl))
    .map(([name]) => ({
      path: `capabilities.${name}.service.database.url`,
      problem: 'is the monolith’s own database',
      remedy: 'Give the service a database of its own; sharing one is what the migration is to end.',
    }))
}

function missingForDebezium(cdc: Migration['cdc']): ConfigProblem[] {
  const missing: ConfigProblem[] = []
  const need = (path: string, example: string) =>
    missing.push({ path, problem: 'is missing, and the debezium engine needs it', remedy: `Add ${path}: ${example}.` })
  if (cdc.kafka === undefined) need('cdc.kafka', "{ brokers: ['127.0.0.1:7092'] }")
  if (cdc.connect === undefined) need('cdc.connect', "{ url: 'http://127.0.0.1:7083' }")
  return missing
}
