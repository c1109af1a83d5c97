import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Servers } from './servers.ts'

/** What the process is told to do. */
export interface Work extends Pick<Servers, 'brokers' | 'connectUrl'> {
  readonly sourceUrl: string
  readonly targetUrl: string
}

/** What it tells before it ends by itself. */
export interface Failure {
  readonly why: string
}

const MAIN = fileURLToPath(new URL('./ficus-main.ts', import.meta.url))

/** Ficus in a process of its own, so that what it uses can be told from what fills the topics. */
export class FicusProcess {
  readonly pid: number
  readonly #child: ChildProcess
  #failure: string | undefined

  private constructor(child: ChildProcess) {
    this.#child = child
    this.pid = child.pid ?? 0
    child.on('message', ({ why }: Failure) => {
      this.#failure = why
    })
    child.on('exit', code => {
      this.#failure ??= `it ended with ${code}`
    })
  }

  static start({ brokers, connectUrl }: Servers, sourceUrl: string, targetUrl: string): FicusProcess {
    const child = fork(MAIN, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const work: Work = { brokers, connectUrl, sourceUrl, targetUrl }
    child.send(work)
    return new FicusProcess(child)
  }

  /** @throws when it has failed or ended, with why. */
  assertWell(): void {
    if (this.#failure !== undefined) throw new Error(`Ficus does not run: ${this.#failure}`)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    // The process ends when nobody is there to talk to, so also where this one is killed.
    if (this.#child.connected) this.#child.disconnect()
    await ended
  }
}
