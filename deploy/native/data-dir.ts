import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { execa } from 'execa'
import type { Launch, SystemUser } from './postgres-user.ts'
import { localeArguments } from './postgres-version.ts'

/** Names the Node process that runs a data folder's server. PostgreSQL ignores files it does not know. */
const OWNER_FILE = 'ficus.pid'

/** What `initdb` needs. */
export interface ClusterOptions {
  readonly dataDir: string
  readonly user: string
  readonly password: string
  /** What the server will run with: some of it goes for making the cluster too. */
  readonly settings: Readonly<Record<string, string>>
  /** The server's version. */
  readonly major: number
}

/**
 * Makes a new cluster in `dataDir` unless it holds one. It is made beside it and renamed, so that an interrupted run
 * never leaves half of one.
 *
 * The locale is PostgreSQL's built-in C.UTF-8, because a system's own locales differ from machine to machine, and with
 * them the order of an index.
 */
export async function initialise(
  options: ClusterOptions,
  user: SystemUser | undefined,
  initdb: (args: readonly string[]) => Launch,
): Promise<void> {
  const { dataDir, password, settings } = options
  if (await isFile(join(dataDir, 'PG_VERSION'))) return
  const fresh = `${dataDir}.new`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { mode: 0o700 })
  const passwordFile = join(tmpdir(), `ficus-${process.pid}-${Date.now()}.password`)
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (user) for (const path of [fresh, passwordFile]) await chown(path, user.uid, user.gid)
  const args = [
    `--pgdata=${fresh}`,
    `--username=${options.user}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    ...localeArguments(options.major),
    ...(settings.fsync === 'off' ? ['--no-sync'] : []),
    // The superuser's password is kept as it says.
    ...(settings.scram_iterations === undefined ? [] : ['-c', `scram_iterations=${settings.scram_iterations}`]),
  ]
  try {
    const { command, args: words, ...as } = initdb(args)
    await execa(command, words, { ...as, env: { LC_ALL: 'C' }, cwd: '/' })
  } finally {
    await rm(passwordFile, { force: true })
  }
  await rename(fresh, dataDir)
}

/**
 * Takes the data folder for this process. A server left behind by a Node process that was killed is stopped first; a
 * folder that a living process uses is refused.
 *
 * @throws FicusError FICUS_LEASE_HELD when another process runs a server there.
 */
export async function claim(dataDir: string): Promise<void> {
  const owner = Number(await readIfThere(join(dataDir, OWNER_FILE)))
  const postmaster = await runningPostmaster(dataDir)
  if (postmaster !== undefined) {
    if (owner !== 0 && owner !== process.pid && isAlive(owner)) {
      throw new FicusError('FICUS_LEASE_HELD', `Process ${owner} runs PostgreSQL on ${dataDir}`, {
        remedy: `Stop process ${owner} first, or use another folder.`,
      })
    }
    await stopPostmaster(postmaster)
  }
  await rm(join(dataDir, 'postmaster.pid'), { force: true })
  await writeFile(join(dataDir, OWNER_FILE), `${process.pid}\n`)
}

/** Gives the data folder back; to be called when its server has ended. */
export async function release(dataDir: string): Promise<void> {
  await rm(join(dataDir, OWNER_FILE), { force: true })
}

/** The process that `postmaster.pid` names, if it lives and is a PostgreSQL server. */
async function runningPostmaster(dataDir: string): Promise<number | undefined> {
  const pid = Number((await readIfThere(join(dataDir, 'postmaster.pid'))).split('\n')[0])
  if (!(pid > 0) || !isAlive(pid)) return undefined
  const command = await execa({ reject: false })`ps -o comm= -p ${pid}`
  const name = command.exitCode === 0 ? command.stdout : await readIfThere(`/proc/${pid}/comm`)
  return name.includes('postgres') ? pid : undefined
}

/** Fast shutdown, then an immediate one for a server that waits for a replication client; either leaves sound data. */
async function stopPostmaster(pid: number): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    process.kill(pid, signal)
    for (let waited = 0; waited < 10_000; waited += 50) {
      if (!isAlive(pid)) return
      await delay(50)
    }
  }
  throw new FicusError('FICUS_INTERNAL', `PostgreSQL process ${pid} does not end`)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await readIfThere(path)) !== ''
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return ''
  }
}
