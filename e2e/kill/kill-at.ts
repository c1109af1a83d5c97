// Preloaded into a sync process (`node --import`): kills it at the named point that FICUS_KILL_AT gives, `<point>:<pass>`.
import { subscribe } from 'node:diagnostics_channel'
import { POINT_CHANNEL } from '@ficus/core/lifecycle/point'

const [wanted, pass] = (process.env.FICUS_KILL_AT ?? '').split(':')
let passed = 0

subscribe(POINT_CHANNEL, point => {
  if (point !== wanted) return
  passed += 1
  if (passed === Number(pass)) process.kill(process.pid, 'SIGKILL')
})
