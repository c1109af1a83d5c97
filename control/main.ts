import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { runProgram } from './command/program.ts'

// The `ficus` command: arguments -> a command -> its exit code. Ctrl-C aborts what is under way, which then releases
// what it holds; so does a reader of the output that goes away, as `head` does.
const aborted = new AbortController()
shutdownSignal().then(signal => aborted.abort(signal))
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => aborted.abort('SIGPIPE'))

await runProgram(
  {
    streams: process,
    env: process.env,
    signal: aborted.signal,
    exit: code => {
      process.exitCode = code
    },
  },
  process.argv.slice(2),
)

// Everything is released by now; a query that a database still thinks about does not keep an interrupted command.
if (aborted.signal.aborted) process.exit()
