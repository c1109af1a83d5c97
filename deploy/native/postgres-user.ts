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

/** How a program is started so that it runs as PostgreSQL's user. */
export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly uid?: number
  readonly gid?: number
}

/** Lets a process that is not root pass and read everything, as root does (capabilities(7)). */
const PASS_EVERYWHERE = '+dac_override,+dac_read_search'

/**
 * How to run PostgreSQL's programs as `user` (undefined: as ourselves), who has to reach `paths`. A clone under `/root` is
 * closed to other users; there the programs keep, of root's rights, the one to enter every folder (setpriv(1)).
 *
 * @throws FicusError FICUS_COMPONENT_MISSING that names the first folder in the way where the system has no setpriv.
 */
export async function launcher(
  user: SystemUser | undefined,
  paths: readonly string[],
): Promise<(command: string, args: readonly string[]) => Launch> {
  if (user === undefined) return (command, args) => ({ command, args })
  const closed = await firstClosedFolder(paths, user)
  if (closed === null) return (command, args) => ({ command, args, uid: user.uid, gid: user.gid })
  const { failed } = await execa({ reject: false })`setpriv --version`
  if (failed) {
    throw new FicusError(
      'FICUS_COMPONENT_MISSING',
      `PostgreSQL may not run as root, so it runs as the user ${user.name}, who may not enter ${closed}`,
      { remedy: `Install setpriv (util-linux), run as an ordinary user, or \`chmod o+x ${closed}\`.` },
    )
  }
  const as = ['--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups']
  const keep = ['--inh-caps', PASS_EVERYWHERE, '--ambient-caps', PASS_EVERYWHERE]
  return (command, args) => ({ command: 'setpriv', args: [...as, ...keep, command, ...args] })
}

/** The first folder on the way to any of `paths` that `user` may not enter; null where the way is free. */
async function firstClosedFolder(paths: readonly string[], user: SystemUser): Promise<string | null> {
  for (const folder of new Set(paths.flatMap(ancestors))) {
    const { mode, uid, gid } = await stat(folder)
    const mayEnter = uid === user.uid ? mode & 0o100 : gid === user.gid ? mode & 0o010 : mode & 0o001
    if (mayEnter === 0) return folder
  }
  return null
}

/** The folders above `path` from the root down, without `path` itself. */
function ancestors(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [] : [...ancestors(parent), parent]
}
