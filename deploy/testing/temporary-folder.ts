import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PREFIX = 'ficus-test-'

/**
 * An empty folder for one test run's servers, which other users may enter (root runs PostgreSQL as another one). Folders
 * of runs that were killed before they could remove theirs are removed first: each may hold hundreds of megabytes.
 */
export async function temporaryFolder(): Promise<string> {
  const names = await readdir(tmpdir())
  for (const name of names.filter(isLeftOver)) await rm(join(tmpdir(), name), { recursive: true, force: true })
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`))
  await chmod(folder, 0o711)
  return folder
}

/** A folder's name says which process made it. */
function isLeftOver(name: string): boolean {
  const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]
  if (pid === undefined) return false
  try {
    process.kill(Number(pid), 0)
    return false
  } catch {
    return true
  }
}
