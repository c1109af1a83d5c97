import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FicusError, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { type Pact, parsePact } from './pact.ts'

/**
 * Reads every `*.json` of a folder as a pact file, in the order of their names.
 * @throws FICUS_PACT_MISSING when the folder does not exist, holds no such file, or one of them is not a pact.
 */
export async function readPacts(folder: string): Promise<readonly Pact[]> {
  const files = (await list(folder)).filter(name => name.endsWith('.json')).toSorted()
  if (files.length === 0) throw new FicusError('FICUS_PACT_MISSING', `there is no pact file in ${folder}`)
  return Promise.all(
    files.map(async name => {
      const file = join(folder, name)
      return parsePact(await readFile(file, 'utf8'), file)
    }),
  )
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (cause) {
    if (systemCodeOf(cause) !== 'ENOENT') throw cause
    throw new FicusError('FICUS_PACT_MISSING', `there is no folder of pacts ${folder}`, { cause })
  }
}
