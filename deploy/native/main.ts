import { relative, resolve } from 'node:path'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { type Colours, coloursFor } from '@ficus/core/terminal/colours'
import { table } from '@ficus/core/terminal/table'
import { Command } from 'commander'
import { COMPONENT_NAMES, COMPONENTS, type ComponentName, parseComponents, parsePort } from './components.ts'
import { type Stack, startStack } from './stack.ts'
import { STATE_DIR } from './state-dir.ts'

const EXAMPLE = `
Examples:
  npm run stack                                     all of them
  npm run stack -- --only postgres,unleash          without Java
  npm run stack -- --kafka-port 9092                another port
  npm run --silent stack -- --json                  for a program: one line, then they stay up

Passwords and tokens are those of .env.example, from the environment, or well-known ones for this machine only.
Ctrl-C stops all of them; the next start goes on where they were. Remove the state folder to start afresh.`

/** The stack's command line. */
function command(): Command {
  const program = new Command('npm run stack --')
    .description('Starts the servers of docker-compose.yml on this machine, without Docker.')
    .option(
      '--only <parts>',
      `some of ${COMPONENT_NAMES.join(',')}; what they need starts too`,
      COMPONENT_NAMES.join(','),
    )
    .option('--state <folder>', 'their data and logs', `${STATE_DIR}/stack`)
    .option('--json', 'print one line of JSON instead of a table')
    .addHelpText('after', EXAMPLE)
    .exitOverride()
  for (const { title, port, env, flag } of Object.values(COMPONENTS)) {
    program.option(`${flag} <port>`, `${title}'s port on 127.0.0.1, or ${env}`, String(port))
  }
  return program
}

/** A flag wins over the environment, which wins over the default. */
function readPorts(program: Command, env: NodeJS.ProcessEnv): Record<ComponentName, number> {
  const read = (name: ComponentName) => {
    const { env: variable, flag, port } = COMPONENTS[name]
    const option = `${name}Port`
    if (program.getOptionValueSource(option) === 'cli') return parsePort(String(program.getOptionValue(option)), flag)
    const value = env[variable]
    return value === undefined ? port : parsePort(value, variable)
  }
  return { postgres: read('postgres'), unleash: read('unleash'), kafka: read('kafka'), connect: read('connect') }
}

function picture(stack: Stack, { bold, dim }: Colours): string {
  const rows = stack.entries.flatMap(({ title, url, pid, access }) => [
    [bold(title), url, String(pid)],
    ...Object.entries(access).map(([name, value]) => ['', dim(`${name}: ${value}`), '']),
  ])
  return table(['part', 'address', 'process'].map(dim), rows)
}

function json(stack: Stack): string {
  const entries = stack.entries.map(({ name, url, pid, log, access }) => [name, { url, pid, log, ...access }])
  return JSON.stringify(Object.fromEntries(entries))
}

async function main(args: readonly string[]): Promise<number> {
  const asked = shutdownSignal()
  const abort = new AbortController()
  asked.then(signal => abort.abort(new Error(`stopped by ${signal}`)))
  const program = command().parse(args, { from: 'user' })
  const stateDir = resolve(String(program.getOptionValue('state')))
  const stack = await startStack(
    {
      components: parseComponents(String(program.getOptionValue('only'))),
      ports: readPorts(program, process.env),
      stateDir,
      env: process.env,
      progress: line => console.error(coloursFor(process.stderr, process.env).dim(line)),
    },
    abort.signal,
  )
  if (program.getOptionValue('json') === true) console.log(json(stack))
  else
    console.log(
      `\n${picture(stack, coloursFor(process.stdout, process.env))}\n\nLogs: ${relative('', stateDir)}/logs. Ctrl-C stops all of them.`,
    )

  const first = await Promise.race([asked.then(() => undefined), stack.firstEnd])
  await stack.stop()
  if (first === undefined) return 0
  throw new FicusError('FICUS_INTERNAL', `${first.entry.title} ended by itself (${first.how})`, {
    remedy: `See the end of its log: ${first.entry.log}`,
  })
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.exitCode = report(error)
}

/** Tells a person what went wrong and what to do. @returns the exit code. */
function report(error: unknown): number {
  if (error instanceof FicusError) {
    const { red, bold, dim } = coloursFor(process.stderr, process.env)
    console.error(`${red(bold(error.code))}  ${error.message}\n  ${dim('what to do:')} ${error.remedy}`)
    return error.exitCode
  }
  // commander has told its own already: 0 for --help, 1 for a wrong flag.
  if (error instanceof Error && 'exitCode' in error) return error.exitCode === 0 ? 0 : 2
  console.error(messageOf(error))
  return 3
}
