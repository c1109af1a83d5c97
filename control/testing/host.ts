import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { ExitCode } from '../command/command.ts'
import { runProgram } from '../command/program.ts'

/** What a command said and ended with. */
export interface HostResult {
  readonly code: ExitCode | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a `ficus` command in this process, for tests of many that need no process of their own. */
export function runInHost(...args: string[]): Promise<HostResult> {
  return run(args, new PassThrough())
}

/** The same, as if its standard error were shown to a person: what it redraws is there too. */
export function runWatched(...args: string[]): Promise<HostResult> {
  return run(args, Object.assign(new PassThrough(), { isTTY: true }))
}

async function run(args: readonly string[], stderrStream: PassThrough & { isTTY?: boolean }): Promise<HostResult> {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: stderrStream }
  const said = Promise.all([text(streams.stdout), text(streams.stderr)])
  let code: ExitCode | null = null
  const exit = (given: ExitCode) => {
    code = given
  }
  await runProgram({ streams, env: {}, signal: new AbortController().signal, exit }, args)
  streams.stdout.end()
  streams.stderr.end()
  const [stdout, stderr] = await said
  return { code, stdout, stderr }
}
