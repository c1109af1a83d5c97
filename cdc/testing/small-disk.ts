import { execFile } from 'node:child_process'
import { chown, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A folder with little room, for a tablespace; `await using` unmounts it. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string
  /** Gives it more room. */
  grow(megabytes: number): Promise<void>
}

/**
 * Mounts a tmpfs of its own. @returns null where this user may not mount.
 * @param like a folder of the server's; the new one gets its owner.
 */
export async function createSmallDisk(like: string, megabytes: number): Promise<SmallDisk | null> {
  const path = await mkdtemp(join(tmpdir(), 'ficus-disk-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', path])
  } catch {
    await rm(path, { recursive: true })
    return null
  }
  const { uid, gid } = await stat(like)
  await chown(path, uid, gid)
  return {
    path,
    grow: async size => void (await run('mount', ['-o', `remount,size=${size}m`, path])),
    [Symbol.asyncDispose]: async () => {
      await run('umount', [path])
      await rm(path, { recursive: true })
    },
  }
}
