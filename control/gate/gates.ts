import { checkGate } from './check.ts'
import { contractsGate } from './contracts.ts'
import { dataGate } from './data.ts'
import type { Gate, GateName } from './gate.ts'
import { lagGate } from './lag.ts'
import { loadGate } from './load.ts'
import { parkedGate } from './parked.ts'
import { reverseGate } from './reverse.ts'
import { serviceGate } from './service.ts'
import { shadowGate } from './shadow.ts'

/** Every gate by its name. */
export const GATES: Readonly<Record<GateName, Gate>> = {
  check: checkGate,
  service: serviceGate,
  lag: lagGate,
  data: dataGate,
  parked: parkedGate,
  shadow: shadowGate,
  contracts: contractsGate,
  load: loadGate,
  reverse: reverseGate,
}
