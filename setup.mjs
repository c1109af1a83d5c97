// Installs what the lock file asks for when it is newer than what is installed, then runs the given script
// with the Node that this project pins. Plain JavaScript for any Node from 18 on, because it runs before
// anything is installed.
//
//   node setup.mjs                      install if needed
//   node setup.mjs control/main.ts …    install if needed, then run it with the pinned Node
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(fileURLToPath(import.meta.url))
const lock = join(root, 'package-lock.json')
const installed = join(root, 'node_modules', '.package-lock.json')
const pinnedNode = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')

if (!existsSync(installed) || statSync(lock).mtimeMs > statSync(installed).mtimeMs) {
  console.error('ficus: installing dependencies (first run, or the lock file changed) ...')
  const npm = process.env.npm_execpath
  const [command, args] = npm ? [process.execPath, [npm]] : ['npm', []]
  const install = [...args, 'ci', '--no-audit', '--no-fund', '--loglevel=error', '--strict-allow-scripts']
  // npm 11 knows which install scripts package.json allows; older ones run all of them, so keep those quiet.
  const result = spawnSync(command, install, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (result.status !== 0) {
    console.error('ficus: the installation failed; mend what npm names above, then run the command again')
    process.exit(result.status ?? 1)
  }
}

const [script, ...scriptArgs] = process.argv.slice(2)
if (script !== undefined) {
  const child = spawn(pinnedNode, [join(root, script), ...scriptArgs], {
    stdio: 'inherit',
    env: { ...process.env, PATH: `${dirname(pinnedNode)}:${process.env.PATH}` },
  })
  // A terminal sends Ctrl-C to the whole group, so the child has it already; what reaches us alone we pass on.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}
