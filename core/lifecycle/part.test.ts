import { expect, it } from 'vitest'
import { Lifecycle, type Part } from './part.ts'

/** A part that writes down what is asked of it. */
function part(name: string, done: string[], over: Partial<Part> = {}): Part {
  const step = (what: string) => async () => {
    done.push(`${what} ${name}`)
  }
  return { name, start: step('start'), drain: step('drain'), stop: step('stop'), ...over }
}

it('starts in order, drains and stops last-in first-out, once', async () => {
  const done: string[] = []
  const lifecycle = new Lifecycle()
  const first = await lifecycle.add(part('a', done))
  await lifecycle.add({ name: 'b', start: async () => {}, stop: part('b', done).stop })
  await lifecycle.add(part('c', done))
  expect(first.name).toBe('a')
  await Promise.all([lifecycle.stop(), lifecycle.stop()])
  await lifecycle.stop()
  expect(done).toEqual(['start a', 'start c', 'drain c', 'drain a', 'stop c', 'stop b', 'stop a'])
})

it('a part that fails to start is stopped without a drain, then those before it; its error is thrown', async () => {
  const done: string[] = []
  const lifecycle = new Lifecycle()
  await lifecycle.add(part('a', done))
  const broken = part('b', done, { start: () => Promise.reject(new Error('port taken')) })
  await expect(lifecycle.add(broken)).rejects.toThrow('port taken')
  expect(done).toEqual(['start a', 'stop b', 'drain a', 'stop a'])
})

it('a part that fails to drain or stop is told and does not keep the others', async () => {
  const done: string[] = []
  const failures: string[] = []
  const lifecycle = new Lifecycle({ failed: (name, step, error) => failures.push(`${step} ${name}: ${error}`) })
  await lifecycle.add(part('a', done))
  await lifecycle.add(
    part('b', done, {
      drain: () => Promise.reject(new Error('stuck')),
      stop: () => Promise.reject(new Error('gone')),
    }),
  )
  await lifecycle.stop()
  expect(done).toEqual(['start a', 'start b', 'drain a', 'stop a'])
  expect(failures).toEqual(['drain b: Error: stuck', 'stop b: Error: gone'])
})

it('gives a part the signal that ends its start', async () => {
  const abort = new AbortController()
  let given: AbortSignal | undefined
  await new Lifecycle().add(
    part('a', [], {
      start: async signal => {
        given = signal
      },
    }),
    abort.signal,
  )
  expect(given).toBe(abort.signal)
})

it('a stop while a part starts stops that part too, and takes no further ones', async () => {
  const done: string[] = []
  const lifecycle = new Lifecycle()
  await lifecycle.add(part('a', done))
  const { promise: started, resolve: finishStart } = Promise.withResolvers<void>()
  const adding = lifecycle.add(part('b', done, { start: () => started }))
  await lifecycle.stop()
  finishStart()
  await expect(adding).rejects.toThrow('b was stopped while it started')
  await expect(lifecycle.add(part('c', done))).rejects.toThrow('c was not started')
  expect(done).toEqual(['start a', 'drain a', 'stop a', 'stop b'])
})
