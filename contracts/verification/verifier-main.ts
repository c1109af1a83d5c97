import { Verifier, type VerifierOptions } from '@pact-foundation/pact-core'

/**
 * Runs Pact's verifier in a process of its own, with the options in its argument (JSON), and sends its report (JSON
 * text) to the process that started it. A crash of native code ends only this process, what it prints goes nowhere,
 * and it can be stopped. Pact's own `Verifier` of `@pact-foundation/pact` puts a proxy before the provider that throws
 * outside of any promise when the provider resets a connection; the one beneath it does without.
 */
const [, , argument = ''] = process.argv
const options: VerifierOptions = JSON.parse(argument)

/** It resolves with its report when all passed, and rejects with its report as the message when not. */
const report = await new Verifier(options).verify().catch((error: unknown) => {
  return error instanceof Error ? error.message : String(error)
})
process.send?.(report)
