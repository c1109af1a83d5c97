import type { MigrationInput } from './schema.ts'

export { fromEnv } from './environment.ts'

/** Types a `ficus.config.ts`. It returns what it got: the file is checked where it is loaded. */
export function defineMigration(config: MigrationInput): MigrationInput {
  return config
}
