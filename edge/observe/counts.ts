import type { Side } from '@ficus/core/phases/phase'
import { REASONS, type Reason } from '../decide/decide.ts'
import type { Plan } from '../decide/planner.ts'
import type { FinishedExchange } from '../forward/exchange.ts'
import type { RouteMatch } from '../route/table.ts'

/** By the first digit of the status; `none` where no answer came, `abandoned` where the client left before it. */
const OUTCOMES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx', 'abandoned'] as const
type Outcome = (typeof OUTCOMES)[number]

export interface RequestCount {
  readonly match: RouteMatch | null
  readonly side: Side
  readonly reason: Reason
  readonly outcome: Outcome
  readonly count: number
}

/**
 * Requests by route, side, reason and outcome. A request costs an addition; labels are made when somebody asks for the
 * metrics.
 */
export class RequestCounts {
  readonly #cells = new Map<RouteMatch | null, number[]>()

  add(exchange: FinishedExchange): void {
    const { match } = exchange.plan
    let cells = this.#cells.get(match)
    if (cells === undefined) {
      cells = new Array<number>(2 * REASONS.length * OUTCOMES.length).fill(0)
      this.#cells.set(match, cells)
    }
    const index = indexOf(exchange.plan, outcomeOf(exchange))
    cells[index] = (cells[index] ?? 0) + 1
  }

  *entries(): Generator<RequestCount> {
    for (const [match, cells] of this.#cells) {
      for (const [index, count] of cells.entries()) {
        if (count === 0) continue
        const outcome = OUTCOMES[index % OUTCOMES.length] ?? 'none'
        const rest = Math.floor(index / OUTCOMES.length)
        const reason = REASONS[rest % REASONS.length] ?? 'unmatched'
        yield { match, side: rest < REASONS.length ? 'monolith' : 'service', reason, outcome, count }
      }
    }
  }
}

function indexOf(plan: Plan, outcome: number): number {
  const side = plan.side === 'monolith' ? 0 : 1
  return (side * REASONS.length + REASONS.indexOf(plan.reason)) * OUTCOMES.length + outcome
}

function outcomeOf({ abandoned, status }: FinishedExchange): number {
  return abandoned ? OUTCOMES.length - 1 : Math.floor(status / 100)
}
