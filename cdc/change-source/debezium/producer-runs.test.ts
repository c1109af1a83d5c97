import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { ProducerRuns } from './producer-runs.ts'

it('learns from records without holding on to them: each keeps all that Kafka answered with it', async () => {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') throw new TypeError('there is no garbage collector to be asked')
  const producers = new ProducerRuns()
  const learn = () => {
    const record = { offset: '0', batchContext: { producerId: '1', producerEpoch: 0 }, value: Buffer.alloc(1_000) }
    producers.learn('t:0', [record])
    return new WeakRef(record.value)
  }
  const value = learn()
  await sleep(0)
  collect()
  expect(value.deref()).toBeUndefined()
})
