import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FicusError, systemCodeOf } from '@ficus/core/errors/ficus-error'
import { execa } from 'execa'

/** A process, told from a later one that got its number by the time of its start. */
export interface ProcessMark {
  readonly name: string
  readonly pid: number
  readonly startedAt: string
}

interface Content {
  readonly owner: ProcessMark
  readonly children: readonly ProcessMark[]
}

/** How long what a killed run left behind may take to end by itself: a leash tells it to. Milliseconds. */
const LEASH_TIME = 15_000
const POLL = 100

/**
 * Names the process that runs a state folder, and its children, so that a run that was killed leaves nothing that the
 * next one cannot find.
 */
export class PidFile {
  readonly #path: string
  readonly #owner: ProcessMark
  readonly #children: ProcessMark[] = []

  private constructor(path: string, owner: ProcessMark) {
    this.#path = path
    this.#owner = owner
  }

  /**
   * Takes the file for this process. Children of a run that was killed are waited for, and ended with force where they
   * stay.
   * @throws FICUS_LEASE_HELD where a living process has it.
   */
  static async take(path: string, signal: AbortSignal): Promise<PidFile> {
    await mkdir(dirname(path), { recursive: true })
    const file = new PidFile(path, await markOf('ficus', process.pid))
    while (!(await file.#create())) {
      const found = await readContent(path)
      if (found !== null && (await lives(found.owner))) {
        throw new FicusError('FICUS_LEASE_HELD', `ficus runs here already: process ${found.owner.pid}`, {
          remedy: `Stop process ${found.owner.pid} first (Ctrl-C where it runs), or set another local.stateDir.`,
        })
      }
      for (const child of found?.children ?? []) await endLeftover(child, signal)
      await rm(path, { force: true })
    }
    return file
  }

  async add(name: string, pid: number): Promise<void> {
    this.#children.push(await markOf(name, pid))
    const fresh = `${this.#path}.new`
    await writeFile(fresh, JSON.stringify(this.#content(), null, 2))
    await rename(fresh, this.#path)
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true })
  }

  #content(): Content {
    return { owner: this.#owner, children: this.#children }
  }

  async #create(): Promise<boolean> {
    try {
      const handle = await open(this.#path, 'wx')
      await handle.writeFile(JSON.stringify(this.#content(), null, 2))
      await handle.close()
      return true
    } catch (error) {
      if (systemCodeOf(error) === 'EEXIST') return false
      throw error
    }
  }
}

async function readContent(path: string): Promise<Content | null> {
  try {
    const content: Content = JSON.parse(await readFile(path, 'utf8'))
    return content
  } catch {
    // Half written by a run that was killed: it had no child yet.
    return null
  }
}

async function endLeftover(child: ProcessMark, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + LEASH_TIME
  while (await lives(child)) {
    if (Date.now() > deadline) {
      process.kill(child.pid, 'SIGKILL')
      return
    }
    await delay(POLL, undefined, { signal })
  }
}

async function lives({ pid, startedAt }: ProcessMark): Promise<boolean> {
  return (await startOf(pid)) === startedAt
}

async function markOf(name: string, pid: number): Promise<ProcessMark> {
  return { name, pid, startedAt: (await startOf(pid)) ?? 'ended' }
}

/** When a process started, in the system's own words; null where it does not live. */
async function startOf(pid: number): Promise<string | null> {
  try {
    // proc(5): the name in parentheses may hold spaces; starttime is the 20th field after it.
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? null : (fields[18] ?? null)
  } catch (error) {
    if (process.platform === 'linux' && systemCodeOf(error) !== 'EACCES') return null
  }
  const { exitCode, stdout } = await execa({ reject: false })`ps -o lstart= -p ${pid}`
  return exitCode === 0 ? stdout.trim() : null
}
