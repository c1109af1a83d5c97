import { FicusError } from '../errors/ficus-error.ts'

/**
 * Runs a process's composition root, whose result becomes the exit code. A `FicusError` is told on standard error with
 * its remedy and ends the process with its own exit code; anything else is a bug and is thrown with its stack.
 */
export async function runMain(
  main: (args: readonly string[], env: NodeJS.ProcessEnv) => Promise<number>,
): Promise<void> {
  try {
    process.exitCode = await main(process.argv.slice(2), process.env)
  } catch (error) {
    if (!(error instanceof FicusError)) throw error
    process.stderr.write(`${error.code}: ${error.message}\n${error.remedy}\n`)
    process.exitCode = error.exitCode
  }
}
