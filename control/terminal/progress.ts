import { SingleBar } from 'cli-progress'
import { showAge, showCount } from './words.ts'

/** Shows how far a long step is. */
export interface Progress {
  /**
   * What the first call tells was done before this step, and does not count for its pace.
   * @param total 0 while it is not known.
   */
  update(done: number, total: number): void
  stop(): void
}

/** For `--json`, and what is soon done: shows nothing. */
export const silentProgress: Progress = { update: () => {}, stop: () => {} }

/** One line on `stream` that redraws itself and goes away at the end. */
export function progressBar(
  label: string,
  unit: string | undefined,
  stream: NodeJS.WritableStream,
  colours: boolean,
  pace: boolean,
): Progress {
  const paceOf = pacing(() => performance.now())
  const bar = new SingleBar({
    stream,
    format: `${label} {bar} {percentage}%${unit === undefined ? '' : ` | {value} of {total} ${unit}`}${pace ? ' | {rate}/s | {eta_formatted} left' : ''}`,
    barCompleteChar: colours ? '█' : '#',
    barIncompleteChar: colours ? '░' : '-',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
  })
  let shown = false
  return {
    update: (done, total) => {
      // An estimate may fall short of what is really there.
      const whole = Math.max(total, done, 1)
      const rate = Math.round(paceOf(done))
      if (!shown) bar.start(whole, done, { rate })
      shown = true
      bar.setTotal(whole)
      bar.update(done, { rate })
    },
    stop: () => {
      if (shown) bar.stop()
    },
  }
}

/** Milliseconds between two lines of a step in a log. */
const LINE_EVERY = 30_000

/** A line now and then, for a log; none of a step that is soon over. Its estimate is by the pace so far. */
export function progressLines(
  label: string,
  unit: string,
  write: (line: string) => void,
  now: () => number = () => performance.now(),
): Progress {
  let last = now()
  const paceOf = pacing(now)
  return {
    update: (done, total) => {
      const rate = paceOf(done)
      if (now() - last < LINE_EVERY) return
      last = now()
      const whole = total > done ? ` of ${showCount(total)}` : ''
      const left = total > done && rate > 0 ? `, ${showAge((1_000 * (total - done)) / rate)} left` : ''
      write(`${label}: ${showCount(done)}${whole} ${unit}, ${showCount(rate)}/s${left}`)
    },
    stop: () => {},
  }
}

/** How many a second were done since the first call. */
function pacing(now: () => number): (done: number) => number {
  let first: { readonly done: number; readonly at: number } | undefined
  return done => {
    first ??= { done, at: now() }
    const seconds = (now() - first.at) / 1_000
    return seconds > 0 ? (done - first.done) / seconds : 0
  }
}
