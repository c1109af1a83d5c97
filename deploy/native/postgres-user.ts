import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { execa } from 'execa'

/** Whom PostgreSQL runs as: `undefined` means as ourselves. */
export interface SystemUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/**
 * PostgreSQL refuses to run as root, so root runs it as the system user `postgres`, made here if the system has none.
 * Anyone else runs it as themselves.
 */
export async function postgresUser(): Promise<SystemUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const name = 'postgres'
  const known = await execa({ reject: false })`id -u ${name}`
  if (known.exitCode !== 0)
    await execa`useradd --system --user-group --no-create-home --shell /usr/sbin/nologin ${name}`
  const [uid, gid] = await Promise.all([execa`id -u ${name}`, execa`id -g ${name}`])
  return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) }
}

/**
 * Makes sure that `user` may enter every folder above `path`; PostgreSQL's own message would name only the last one.
 *
 * @throws FicusError FICUS_COMPONENT_MISSING that names the first folder in the way.
 */
export async function assertReachable(path: string, user: SystemUser): Promise<void> {
  for (const folder of ancestors(path)) {
    const { mode, uid, gid } = await stat(folder)
    const mayEnter = uid === user.uid ? mode & 0o100 : gid === user.gid ? mode & 0o010 : mode & 0o001
    if (mayEnter !== 0) continue
    throw new FicusError(
      'FICUS_COMPONENT_MISSING',
      `PostgreSQL may not run as root, so it runs as the user ${user.name}, who may not enter ${folder} to reach ${path}`,
      { remedy: `Run as an ordinary user, move below a folder that everyone may enter, or \`chmod o+x ${folder}\`.` },
    )
  }
}

/** The folders above `path` from the root down, without `path` itself. */
function ancestors(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [...ancestors(parent), parent]
}
