import type { Migration } from '@ficus/core/config/schema'
import type { FlagAdmin } from '@ficus/core/flags/flags'
import { flagNames } from '@ficus/core/flags/flags'
import { askUnleash } from '@ficus/core/flags/unleash-api'
import { plural } from '../terminal/words.ts'
import type { Problem } from './problem.ts'

/** Every flag that a migration needs. */
export function flagsOf(capabilities: readonly string[]): string[] {
  return capabilities.flatMap(capability => Object.values<string>({ ...flagNames(capability) }))
}

/**
 * Whether each capability's three flags are there, and whether the edge's own token may read them.
 * @param fix creates missing flags at 0.
 * @throws FICUS_FLAGS_UNREACHABLE, FICUS_FLAGS_REFUSED, FICUS_FLAGS_INVALID.
 */
export async function lookAtFlags(
  flags: Migration['flags'],
  admin: FlagAdmin,
  capabilities: readonly string[],
  fix: boolean,
): Promise<{ detail: string; problems: readonly Problem[] }> {
  const names = flagsOf(capabilities)
  const rollouts = await admin.read(names)
  const missing = names.filter(name => (rollouts.get(name) ?? null) === null)
  if (fix && missing.length > 0) await createFlags(admin, missing)
  if (flags.provider === 'unleash') await askAsEdge(flags)
  const where = flags.provider === 'unleash' ? flags.url : flags.path
  const created = fix && missing.length > 0 ? `, created ${missing.join(', ')} at 0 %` : ''
  return {
    detail: `${flags.provider} at ${where}, ${plural(names.length, 'flag')}${created}`,
    problems: fix ? [] : missing.map(flag => missingFlag(flag, where)),
  }
}

/** Creates flags at 0, which changes nobody's traffic. */
export async function createFlags(admin: FlagAdmin, flags: readonly string[]): Promise<void> {
  await admin.set(new Map(flags.map(flag => [flag, 0])))
}

async function askAsEdge(flags: Extract<Migration['flags'], { provider: 'unleash' }>): Promise<void> {
  await askUnleash(flags.url, '/api/client/features', { token: flags.token, tokenSetting: 'flags.token' })
}

function missingFlag(flag: string, where: string): Problem {
  return {
    code: 'FICUS_FLAGS_INVALID',
    where,
    problem: `flag ${flag} is missing`,
    remedy: 'Run `ficus check --fix`, which creates it at 0 %.',
  }
}
