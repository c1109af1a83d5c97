import { defineConfig } from 'vitest/config'

const skip = ['**/node_modules/**', '**/.ficus/**']

/** A test file's suffix says what it needs: nothing, PostgreSQL, the JVM parts, or Chromium. */
export default defineConfig({
  test: {
    reporters: ['default', './e2e/testing/closing-line.ts'],
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: [...skip, '**/*.{pg,kafka,browser,pact}.test.ts'],
          // They change nothing outside themselves, so that one process may run them all: starting one a file took longer.
          isolate: false,
        },
      },
      {
        test: {
          name: 'pg',
          include: ['**/*.{pg,pact}.test.ts'],
          exclude: skip,
          // To load the modules anew for each file took 3 % of the time.
          isolate: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          globalSetup: ['deploy/testing/postgres.setup.ts'],
        },
      },
      {
        test: {
          name: 'kafka',
          include: ['**/*.kafka.test.ts'],
          exclude: skip,
          testTimeout: 180_000,
          hookTimeout: 300_000,
          // One Connect worker serves them all, and turns requests away while it takes in another file's connector.
          fileParallelism: false,
          globalSetup: ['deploy/testing/postgres.setup.ts', 'deploy/testing/kafka.setup.ts'],
        },
      },
      {
        test: {
          name: 'browser',
          include: ['**/*.browser.test.ts'],
          exclude: skip,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          globalSetup: ['deploy/testing/postgres.setup.ts'],
        },
      },
    ],
  },
})
