import { writeSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule, TestSuite, Vitest } from 'vitest/node'

/** How many tests ended how. What broke outside a test, such as a file that failed to load, counts as failed. */
export interface Tally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** The one line a script reads: `12 passed, 0 failed`, and `, 3 skipped` where there are any. */
export function closingLine({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/** Counts tests, not files. A test that never ended counts as failed: nobody knows whether it would pass. */
export function tally(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): Tally {
  const tests = modules.flatMap(module => [...module.children.allTests()])
  const states = tests.map(test => test.result().state)
  const broken = modules.flatMap(module => [module, ...module.children.allSuites()]).filter(brokeOutsideTests)
  return {
    passed: states.filter(state => state === 'passed').length,
    skipped: states.filter(state => state === 'skipped').length,
    failed:
      states.filter(state => state === 'failed' || state === 'pending').length + broken.length + unhandledErrors.length,
  }
}

function brokeOutsideTests(container: TestModule | TestSuite): boolean {
  return container.errors().length > 0
}

/** Prints the closing line as the very last line, after what other reporters and tear-downs print. */
export default class ClosingLineReporter implements Reporter {
  #tally: Tally = { passed: 0, failed: 0, skipped: 0 }
  #watch = false

  onInit(vitest: Vitest): void {
    this.#watch = vitest.config.watch
    if (!this.#watch) process.once('exit', code => this.#print(Number(process.exitCode ?? code)))
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    this.#tally = tally(modules, unhandledErrors)
    if (this.#watch) this.#print(0)
  }

  /** A run that failed without a failed test, such as one whose global set-up threw, must not read as a good one. */
  #print(exitCode: number): void {
    const failed = exitCode !== 0 ? Math.max(1, this.#tally.failed) : this.#tally.failed
    writeSync(1, `${closingLine({ ...this.#tally, failed })}\n`)
  }
}
