import { SingleBar } from 'cli-progress'
import { showAge, showCount } from './words.ts'

/** Shows how far a long step is. */
export interface Progress {
  /** @param total 0 while it is not known. */
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
  const started = performance.now()
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
      const rate = Math.round((1_000 * done) / (performance.now() - started))
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
  const started = now()
  let last = started
  return {
    update: (done, total) => {
      if (now() - last < LINE_EVERY) return
      last = now()
      const rate = (1_000 * done) / (last - started)
      const whole = total > done ? ` of ${showCount(total)}` : ''
      const left = total > done && done > 0 ? `, ${showAge((1_000 * (total - done)) / rate)} left` : ''
      write(`${label}: ${showCount(done)}${whole} ${unit}, ${showCount(rate)}/s${left}`)
    },
    stop: () => {},
  }
}
