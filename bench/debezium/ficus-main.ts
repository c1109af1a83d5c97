// Ficus alone, for ficus-process.ts: reads the topic until its parent is gone.
import { limitYoungGeneration } from '@ficus/cdc/worker/young-generation'
import { messageOf } from '@ficus/core/errors/ficus-error'
import { Ficus } from './ficus.ts'
import type { Failure, Work } from './ficus-process.ts'

const LOOK_MS = 500
// As the sync process does.
limitYoungGeneration()

process.once('message', (work: Work) => {
  const ficus = new Ficus(work, work.sourceUrl, work.targetUrl)
  const fail = (error: unknown) => {
    if (!process.connected) return
    const failure: Failure = { why: messageOf(error) }
    process.send?.(failure)
    process.exitCode = 1
    process.disconnect()
  }
  const look = setInterval(() => {
    try {
      ficus.assertWell()
    } catch (error) {
      fail(error)
    }
  }, LOOK_MS)
  process.once('disconnect', () => {
    clearInterval(look)
    void ficus.stop()
  })
  ficus.start().catch(fail)
})
