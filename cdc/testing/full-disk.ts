import { chown, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Every write to it fails as one to a full disk does: ENOSPC. Linux has it. */
export const FULL_DEVICE = '/dev/full'

/**
 * Makes the disk full beneath one table of a server on this machine. A small file system would have to be mounted, which
 * containers may not; so the table's file becomes a link to `/dev/full`, and PostgreSQL gets ENOSPC from its own write.
 *
 * @param file the table's file, which nothing was written to yet.
 * @returns what makes room again.
 */
export async function fillDisk(file: string): Promise<() => Promise<void>> {
  const { size } = await stat(file)
  if (size > 0) throw new Error(`${file} has ${size} bytes, which the table would lose`)
  await rm(file)
  await symlink(FULL_DEVICE, file)
  return async () => {
    await rm(file)
    await writeFile(file, '', { mode: 0o600 })
    const { uid, gid } = await stat(dirname(file))
    await chown(file, uid, gid)
  }
}
