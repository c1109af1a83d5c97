import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FicusError, messageOf, systemCodeOf } from '../errors/ficus-error.ts'

/** Flag name to rollout in whole percent, as a flag file holds it. */
export type Rollouts = ReadonlyMap<string, number>

/** Whether a value is a rollout: a whole percentage, as Unleash takes it. */
export function isRollout(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 100
}

/**
 * Reads the text of a flag file, `{"ficus.<capability>.read": 25}`.
 * @param path names the file in the message.
 * @throws FICUS_FLAGS_INVALID that names every flag whose rollout is none.
 */
export function parseRollouts(text: string, path: string): Rollouts {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new FicusError('FICUS_FLAGS_INVALID', `${path} is not JSON: ${messageOf(error)}`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FicusError('FICUS_FLAGS_INVALID', `${path} does not hold a JSON object`)
  }
  const rollouts = new Map<string, number>()
  const wrong: string[] = []
  for (const [flag, rollout] of Object.entries(value)) {
    if (isRollout(rollout)) rollouts.set(flag, rollout)
    else wrong.push(`${flag} is ${JSON.stringify(rollout)}`)
  }
  if (wrong.length > 0) {
    throw new FicusError('FICUS_FLAGS_INVALID', `in ${path}, ${wrong.join(', ')}: not a whole percentage from 0 to 100`)
  }
  return rollouts
}

/** The text of a flag file, or null where there is none. @throws FICUS_FLAGS_INVALID where it cannot be read. */
export async function readFlagFile(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null
    throw new FicusError('FICUS_FLAGS_INVALID', `${path} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/** Writes a file so that a reader finds either the old text or the new, whole: a neighbour is written, then renamed. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const neighbour = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    await writeFile(neighbour, text, { flush: true })
    await rename(neighbour, path)
  } catch (error) {
    await rm(neighbour, { force: true })
    throw error
  }
}
