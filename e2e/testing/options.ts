import { type ParseArgsConfig, parseArgs } from 'node:util'

/** Reads the command line of a script; wrong usage prints what is wrong and the help, and ends the process with 2. */
export function readOptions<const Options extends NonNullable<ParseArgsConfig['options']>>(
  help: string,
  options: Options,
) {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`)
    process.exit(2)
  }
}
