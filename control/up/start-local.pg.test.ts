import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { startCli } from '../testing/cli.ts'
import { createLocalFolder, lives } from '../testing/local.ts'

const UP = 'Ctrl-C stops all of them'

async function listenOn(port: number): Promise<AsyncDisposable> {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { [Symbol.asyncDispose]: async () => void server.close() }
}

describe('`ficus up`', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('starts what the config lists; %s leaves no process', async signal => {
    await using folder = await createLocalFolder()
    await using up = startCli(['up'], folder.directory)
    await up.says(UP)
    const children = await folder.children()
    expect(children.map(({ name }) => name)).toEqual(['postgres', 'app', 'edge', 'sync'])
    expect(children.filter(lives)).toEqual(children)
    expect((await fetch(`http://127.0.0.1:${folder.ports.edge}/notes`)).status).toBe(200)

    up.kill(signal)
    const { code, stdout } = await up.ended
    expect(code).toBe(0)
    for (const { name, pid } of children) expect(stdout).toMatch(new RegExp(`^${name} .* ${pid} .*${name}\\.log$`, 'm'))
    expect(children.filter(lives)).toEqual([])
    expect(await folder.children()).toEqual([])
  })

  it('killed without a chance to stop anything, it leaves nothing that a second one cannot get past', async () => {
    await using folder = await createLocalFolder()
    const killed = startCli(['up', '--json'], folder.directory)
    await killed.says('"parts"')
    const before = await folder.children()

    await using meanwhile = startCli(['up'], folder.directory)
    expect(await meanwhile.ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`FICUS_LEASE_HELD  ficus runs here already: process ${killed.pid}`),
    })
    killed.kill('SIGKILL')
    await killed.ended

    await using second = startCli(['up'], folder.directory)
    await second.says(UP)
    expect(before.filter(lives)).toEqual([])
    const after = await folder.children()
    expect(after.filter(lives).map(({ name }) => name)).toEqual(['postgres', 'app', 'edge', 'sync'])
    second.kill('SIGINT')
    expect(await second.ended).toMatchObject({ code: 0 })
    expect(after.filter(lives)).toEqual([])
  })

  it('interrupted while it starts, it stops what runs already', async () => {
    await using folder = await createLocalFolder()
    // Never ready, so that the start does not come to its end.
    await folder.writeApp('setInterval(() => {}, 1000)')
    await using up = startCli(['up'], folder.directory)
    const postgres = await vi.waitFor(
      async () => {
        const [child] = await folder.children()
        expect(child).toBeDefined()
        return child
      },
      { timeout: 30_000, interval: 50 },
    )
    up.kill('SIGINT')
    expect(await up.ended).toMatchObject({ code: 130 })
    expect(postgres !== undefined && lives(postgres)).toBe(false)
    expect(await folder.children()).toEqual([])
  })
})

describe('invariant 13: `ficus up`', () => {
  it('names the setting of a port that is taken, before anything starts', async () => {
    await using folder = await createLocalFolder()
    const settings = [
      ['local.postgres.port', folder.ports.postgres],
      ['local.processes[0].ready', folder.ports.app],
      ['edge.listen.port', folder.ports.edge],
      ['edge.management.port', folder.ports.edgeManagement],
      ['cdc.management.port', folder.ports.syncManagement],
    ] as const
    for (const [setting, port] of settings) {
      await using _taken = await listenOn(port)
      await using up = startCli(['up'], folder.directory)
      const { code, stderr } = await up.ended
      expect(code).toBe(3)
      expect(stderr).toMatch(new RegExp(`FICUS_PORT_TAKEN .* cannot listen on 127\\.0\\.0\\.1:${port}`))
      expect(stderr).toContain(`choose another port with ${setting}.`)
      expect(await folder.children()).toEqual([])
    }
  })

  it('tells the last lines of a process that dies, stops the others and ends with 3', async () => {
    await using folder = await createLocalFolder()
    await using up = startCli(['up'], folder.directory)
    await up.says(UP)
    const children = await folder.children()
    await fetch(`http://127.0.0.1:${folder.ports.app}/die`).catch(() => {})
    const { code, stderr } = await up.ended
    expect(code).toBe(3)
    expect(stderr).toMatch(/FICUS_SERVICE_UNREACHABLE {2}app ended by itself \(code 7\):\n +no more of this/)
    expect(stderr).toMatch(/all of its log is .*app\.log/)
    expect(children.filter(lives)).toEqual([])
  })

  it('tells the last lines of a process that does not start, and leaves nothing running', async () => {
    await using folder = await createLocalFolder()
    await folder.writeApp(`console.error('no database'); process.exitCode = 4`)
    await using up = startCli(['up', '--json'], folder.directory)
    const { code, stdout } = await up.ended
    expect(code).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({
      error: {
        code: 'FICUS_SERVICE_UNREACHABLE',
        message: expect.stringMatching(/^app ended with code 4 while it started:\n +no database$/),
      },
    })
    expect(await folder.children()).toEqual([])
    await expect(fetch(`http://127.0.0.1:${folder.ports.edge}`)).rejects.toThrow()
  })
})
