// The edge beside its peers: requests a second and latency on one core, 32 keep-alive connections, 700 B of JSON.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '@ficus/deploy/native/free-port'
import { type BenchRow, benchOptions, compareRounds, printRows, showProgress } from '../report/report.ts'
import { type Sample, wrk } from './wrk.ts'

const run = promisify(execFile)
const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')
/** What is measured has this core alone; the upstream and the load share the other. */
const PROXY_CORE = '0'
const LOAD_CORE = '1'
const EDGE = 'edge'
const SHADOWED = 'edge, shadow 100%'
/** Requests a second, well below what the edge bears. */
const OPEN_RATE = 1_000

const options = benchOptions('bench:edge', 'Measures the edge beside other proxies.')
const seconds = options.quick ? 3 : 8
const children: ChildProcess[] = []
const workDir = await mkdtemp(join(tmpdir(), 'ficus-bench-'))
process.once('SIGINT', () => void cleanUp().then(() => process.exit(130)))

try {
  for (const tool of ['wrk', 'nginx', 'taskset']) requireTool(tool)
  const upstream = await startUpstream()
  const proxies = await startProxies(upstream)
  const samples = new Map<string, Sample[]>(proxies.map(({ name }) => [name, []]))
  const medians = new Map<string, number[]>([EDGE, SHADOWED].map(name => [name, []]))
  for (const { url } of proxies) await wrk(url, 1, LOAD_CORE)
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const { name, url } of proxies) {
      showProgress(`round ${round} of ${options.rounds}: ${name}`)
      if (name !== SHADOWED) samples.get(name)?.push(await wrk(url, seconds, LOAD_CORE))
      // What a shadow costs a user shows below saturation: at it, the shadow's own work is what is measured.
      if (name === SHADOWED || name === EDGE) medians.get(name)?.push(await medianAtOpenRate(url))
    }
  }
  showProgress('')
  const [without = [], shadowed = []] = [medians.get(EDGE), medians.get(SHADOWED)]
  await printRows(
    [
      ...rowsOf(samples),
      compareRounds(`shadow 100%, median at ${OPEN_RATE}/s`, 'ms', shadowed, 'edge without', without, '<= 1.05'),
    ],
    options.json,
  )
} finally {
  await cleanUp()
}

/** The rows of DESIGN.md's table that are about the edge. */
function rowsOf(samples: ReadonlyMap<string, readonly Sample[]>): BenchRow[] {
  const series = (name: string, of: keyof Sample) => (samples.get(name) ?? []).map(sample => sample[of])
  const rows: BenchRow[] = []
  const beside = (peer: string, target: string | null) => {
    if (!samples.has(peer)) return
    rows.push(compareRounds('edge', 'requests/s', series('edge', 'rate'), peer, series(peer, 'rate'), target))
  }
  beside('@fastify/http-proxy', '>= 1.7')
  const bare = '@fastify/http-proxy'
  rows.push(compareRounds('edge, p99', 'ms', series('edge', 'p99'), bare, series(bare, 'p99'), '<= 1'))
  beside('caddy', '>= 1.2')
  beside('node:http + undici.dispatch', '>= 0.7')
  return rows
}

/** Milliseconds. */
async function medianAtOpenRate(url: string): Promise<number> {
  const args = ['-c', LOAD_CORE, process.execPath, join(here, 'open-rate.ts'), url, String(OPEN_RATE), String(seconds)]
  const { stdout } = await run('taskset', args)
  const { p50 }: { p50: number } = JSON.parse(stdout)
  return p50
}

interface Proxy {
  readonly name: string
  readonly url: string
}

async function startProxies(upstream: string): Promise<Proxy[]> {
  const proxies: Proxy[] = []
  const add = async (name: string, start: (port: number) => Promise<unknown>) => {
    const port = await freePort()
    await start(port)
    const url = `http://127.0.0.1:${port}/api/items/1`
    await answers(url, name)
    proxies.push({ name, url })
  }
  const node = (port: number, script: string, ...args: string[]) =>
    pinned(PROXY_CORE, process.execPath, [join(here, script), String(port), ...args])
  await add(EDGE, port => startEdge(port, upstream, 0))
  await add(SHADOWED, port => startEdge(port, upstream, 100))
  await add('@fastify/http-proxy', async port => node(port, 'bare-http-proxy.ts', upstream))
  await add('node:http + undici.dispatch', async port => node(port, 'bare-dispatch.ts', upstream))
  if (has('caddy')) await add('caddy', port => startCaddy(port, upstream))
  else console.error('caddy is not installed: its row is left out (apt-get install caddy)')
  return proxies
}

/** nginx answers from memory; it is far from being the limit. */
async function startUpstream(): Promise<string> {
  const port = await freePort()
  const body = JSON.stringify({ id: 1, name: 'An item', text: 'x'.repeat(700 - 40) })
  const config = `daemon off; worker_processes 1; pid ${workDir}/nginx.pid; error_log ${workDir}/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000; client_body_temp_path ${workDir}/b; proxy_temp_path ${workDir}/p;
  fastcgi_temp_path ${workDir}/f; uwsgi_temp_path ${workDir}/u; scgi_temp_path ${workDir}/s;
  server { listen 127.0.0.1:${port}; location / { default_type application/json; return 200 '${body}'; } }
}`
  await writeFile(join(workDir, 'nginx.conf'), config)
  pinned(LOAD_CORE, 'nginx', ['-c', join(workDir, 'nginx.conf')])
  const url = `http://127.0.0.1:${port}`
  await answers(url, 'nginx')
  return url
}

async function startCaddy(port: number, upstream: string): Promise<void> {
  const file = join(workDir, 'Caddyfile')
  await writeFile(
    file,
    `{\n admin off\n auto_https off\n}\nhttp://127.0.0.1:${port} {\n bind 127.0.0.1\n reverse_proxy ${upstream}\n}\n`,
  )
  pinned(PROXY_CORE, 'caddy', ['run', '--adapter', 'caddyfile', '--config', file], { GOMAXPROCS: '1', HOME: workDir })
}

/** The edge with all of its features: identity, flags, phases, metrics, and a dial that is asked for each user. */
async function startEdge(port: number, upstream: string, shadow: number): Promise<void> {
  // The one user of the load stays on the monolith's side, so that both edges do the same before the shadow.
  const flagFile = join(await mkdtemp(join(workDir, 'edge-')), 'flags.json')
  await writeFile(flagFile, JSON.stringify({ 'ficus.items.read': 0, 'ficus.items.shadow': shadow }))
  const script = join(here, 'edge-under-test.ts')
  pinned(PROXY_CORE, process.execPath, [script, String(port), upstream, flagFile])
}

function pinned(core: string, command: string, args: readonly string[], env: Record<string, string> = {}): void {
  const child = spawn('taskset', ['-c', core, command, ...args], {
    stdio: 'ignore',
    cwd: root,
    env: { ...process.env, ...env },
  })
  children.push(child)
}

async function answers(url: string, name: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const response = await fetch(url).catch(() => null)
    await response?.arrayBuffer()
    if (response?.status === 200) return
    await sleep(100)
  }
  throw new Error(`${name} does not answer at ${url}`)
}

function has(tool: string): boolean {
  try {
    execFileSync('which', [tool], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function requireTool(tool: string): void {
  if (has(tool)) return
  console.error(`bench:edge needs ${tool}: apt-get install wrk nginx-light util-linux`)
  process.exit(1)
}

async function cleanUp(): Promise<void> {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGTERM')
    await Promise.race([once(child, 'exit'), sleep(3_000).then(() => child.kill('SIGKILL'))])
  }
  await rm(workDir, { recursive: true, force: true })
}
