import { spawn } from 'node:child_process'

/**
 * Runs `node <args>` in `cwd`, shows its output, and resolves with its exit code. It gets a process group of its own, so
 * a Ctrl-C reaches it once and through us, whether a terminal sent it to all or somebody signalled us alone: the `ficus`
 * command releases what it holds at the first signal, and ends at once at a second.
 * @throws the signal's reason once the command has ended, where the signal was aborted meanwhile.
 */
export async function runCommand(args: readonly string[], cwd: string, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted()
  const child = spawn(process.execPath, args, { cwd, detached: true, stdio: ['ignore', 'inherit', 'inherit'] })
  const interrupt = () => child.kill('SIGINT')
  signal.addEventListener('abort', interrupt)
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('exit', code => (signal.aborted ? reject(signal.reason) : resolve(code ?? 1)))
      child.once('error', reject)
    })
  } finally {
    signal.removeEventListener('abort', interrupt)
  }
}
