import { createHash } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson } from '../slice/canonical-json.ts'
import type { ContractVerdict } from './verdict.ts'

/**
 * Writes a verdict as JSON into `folder`, named by its capability and a digest of its versions: a later verdict on the
 * same versions replaces it, one on others stands beside it. This is what a broker's verification results are where
 * there is no broker.
 * @returns the file's path.
 */
export async function storeVerdict(folder: string, verdict: ContractVerdict): Promise<string> {
  await mkdir(folder, { recursive: true })
  const digest = createHash('sha256').update(canonicalJson(verdict.versions)).digest('hex').slice(0, 12)
  const file = join(folder, `${verdict.capability}-${digest}.json`)
  const unfinished = `${file}.${process.pid}`
  await writeFile(unfinished, `${JSON.stringify(verdict, null, 2)}\n`)
  await rename(unfinished, file)
  return file
}
