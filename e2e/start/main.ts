// `npm start`: the whole example on this machine, and the catalog's way out of the shop while its users go on.
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PidFile } from '@ficus/control/up/pid-file'
import { startLocal } from '@ficus/control/up/start-local'
import { loadConfig } from '@ficus/core/config/load-config'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { flagNames } from '@ficus/core/flags/flags'
import { openFlagAdmin } from '@ficus/core/flags/open-flag-admin'
import { Ledger } from '@ficus/core/ledger/ledger'
import { shutdownSignal } from '@ficus/core/lifecycle/shutdown'
import { mulberry32 } from '@ficus/deploy/testing/random'
import pc from 'picocolors'
import { readOptions } from '../testing/options.ts'
import { startTraffic } from '../traffic/traffic.ts'
import { runCommand } from './command.ts'
import { conclude, dataVerdict } from './conclusion.ts'
import { walkToFullCanary } from './walk.ts'

const HELP = `Starts the example on this machine and walks the catalog out of the shop, under traffic.

Usage: npm start [-- --exit] [-- --reset]
  --exit    end after the walk, with 0 if no request failed and both sides hold the same data, else 1; 130 after Ctrl-C
  --reset   throw away what earlier starts left, and begin at the monolith

Without --exit it stays up until Ctrl-C. A second start goes on where the last one stopped.

Example: npm start -- --reset --exit`

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const CAPABILITY = 'catalog'
/** Requests a second of the background traffic; the same users all along. */
const RATE = 40
const SHOPPERS = 100

const values = readOptions(HELP, {
  exit: { type: 'boolean', default: false },
  reset: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}

const interrupt = new AbortController()
void shutdownSignal().then(signal => interrupt.abort(new Error(`stopped by ${signal}`)))

try {
  process.exitCode = await main(interrupt.signal)
} catch (error) {
  if (interrupt.signal.aborted) process.exitCode = 130
  else {
    const [code, remedy] = error instanceof FicusError ? [`${error.code}: `, `\n  ${error.remedy}`] : ['', '']
    console.error(`\n${pc.red(code + messageOf(error))}${remedy}`)
    process.exitCode = error instanceof FicusError ? error.exitCode : 1
  }
}

async function main(signal: AbortSignal): Promise<number> {
  const started = performance.now()
  const loaded = await loadConfig(join(root, 'ficus.config.ts'), process.env)
  const { edge, flags, ledger: ledgerConfig, local } = loaded.migration
  const stateDir = join(root, local?.stateDir ?? '.ficus/local')
  if (values.reset) {
    // Refused while another start runs there; what a killed one left behind is ended first.
    await PidFile.take(join(stateDir, 'up.json'), signal)
    await rm(stateDir, { recursive: true })
  }

  say('Start PostgreSQL, Unleash, the shop, the catalog service, the edge and sync.')
  await using system = await startLocal(loaded, {
    signal,
    events: {
      starting: (name, detail) => progress(`starting ${name}${detail === '' ? '' : `: ${detail}`}`),
      started: ({ name, url }) => {
        progress('')
        console.log(`  ${pc.green('up')} ${name.padEnd(10)} ${url}`)
      },
      stopping: name => progress(`stopping ${name}`),
    },
  })
  /** Runs a `ficus` command as a person would type it, and shows it. Returns its exit code. */
  const run = (...args: string[]): Promise<number> => {
    console.log(pc.cyan(`$ ficus ${args.join(' ')}`))
    return runCommand([join(root, 'control/main.ts'), ...args], root, signal)
  }
  const ficus = async (...args: string[]): Promise<void> => {
    const code = await run(...args)
    if (code !== 0) throw new Error(`ficus ${args.join(' ')} exited with ${code}; its output above says why`)
  }
  const ledger = await Ledger.open(ledgerConfig.url, [CAPABILITY])
  const traffic = startTraffic({
    origin: `http://${edge.listen.host}:${edge.listen.port}`,
    adminKey: process.env.SHOP_ADMIN_API_KEY ?? 'dev-admin-key',
    rate: RATE,
    shoppers: SHOPPERS,
    writeShare: 0.05,
    random: mulberry32(42),
  })
  try {
    say(`${SHOPPERS} users are shopping now, ${RATE} requests a second through the edge; some edit prices.`)
    const dials = openFlagAdmin(flags, loaded)
    const { read } = flagNames(CAPABILITY)
    const readDial = async () => (await dials.read([read])).get(read) ?? 0
    const walk = walkToFullCanary({ capability: CAPABILITY, ledger, traffic, readDial, ficus, say, progress, signal })
    await Promise.race([walk, system.firstEnd.then(error => Promise.reject(error))])
    say('Stop the traffic, and compare every row of both sides.')
    const report = await traffic.stop()
    const data = async () => (await ledger.latestGates(CAPABILITY)).get('data')
    const before = await data()
    const verdict = dataVerdict(await run('verify', CAPABILITY, '--data'), before, await data())
    await ficus('status', CAPABILITY)
    const { good, text } = conclude(report, verdict, performance.now() - started)
    console.log(`\n${text}`)
    if (values.exit) return good ? 0 : 1

    console.log(`
${pc.bold('It stays up until Ctrl-C.')} Open
  http://${edge.listen.host}:${edge.listen.port}   the shop, through the edge
  http://${edge.management.host}:${edge.management.port}/metrics   the edge's metrics${
    flags.provider === 'unleash' ? `\n  ${flags.url}   Unleash: the dials (admin / unleash4all)` : ''
  }
and try, in another terminal,
  npm run ficus -- status --watch
  npm run ficus -- route catalog --read 25
  npm run ficus -- load catalog --rate 300 --duration 20s
  npm run ficus -- rollback catalog --to legacy
  npm run ficus -- journal catalog`)
    await Promise.race([system.firstEnd.then(error => Promise.reject(error)), aborted(signal)])
    return good ? 0 : 1
  } finally {
    await traffic.stop()
    await ledger.close()
  }
}

function say(text: string): void {
  console.log(`\n${pc.bold(`== ${text}`)}`)
}

/** One line over itself on a terminal; nothing where the output goes to a file. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text === '' ? '' : `  ${pc.dim(text)}`}`)
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
