import { createInterface } from 'node:readline/promises'
import { type Colours, coloursFor } from '@ficus/core/terminal/colours'
import { type Progress, progressBar, progressLines, silentProgress } from './progress.ts'

/** The three streams of a process, or stand-ins for them in a test. */
export interface Streams {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean }
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean }
}

/**
 * What a command says to a person or, with `--json`, to a program: one JSON document on standard output and nothing
 * else. Progress and side remarks go to standard error, so that standard output can be piped.
 */
export class Terminal {
  readonly json: boolean
  /** Colours on a terminal, plain text elsewhere and where NO_COLOR is set. */
  readonly colour: Colours
  readonly #streams: Streams
  #document: unknown

  constructor(streams: Streams, json: boolean, env: Readonly<Record<string, string | undefined>>) {
    this.#streams = streams
    this.json = json
    this.colour = coloursFor({ isTTY: streams.stdout.isTTY === true && !json }, env)
  }

  /** A line of the answer, for people. */
  line(text = ''): void {
    if (!this.json) this.#streams.stdout.write(`${text}\n`)
  }

  /** A side remark, for people: what is being done now, or a warning. */
  remark(text: string): void {
    if (!this.json) this.#streams.stderr.write(`${text}\n`)
  }

  /** The answer for programs: written by `flush`, and replaced by a later call. */
  document(value: unknown): void {
    this.#document = value
  }

  /** For a command that stays: writes a document for programs now, on one line. */
  emit(value: unknown): void {
    if (this.json) this.#streams.stdout.write(`${JSON.stringify(value)}\n`)
  }

  /** Adds a field to the answer for programs, such as the error that ended the command. */
  amend(fields: Readonly<Record<string, unknown>>): void {
    this.#document = isRecord(this.#document) ? { ...this.#document, ...fields } : fields
  }

  /** Writes the answer for programs, if this is what the command was asked for. */
  flush(): void {
    if (this.json && this.#document !== undefined) {
      this.#streams.stdout.write(`${JSON.stringify(this.#document, null, 2)}\n`)
    }
  }

  /**
   * A progress bar on standard error. Where that is no terminal a line now and then of what has a pace, else nothing.
   * @param unit what is counted, where the count says something to a person.
   * @param pace whether to show how many of them a second, and the time left.
   */
  progress(label: string, unit?: string, pace = false): Progress {
    if (this.json) return silentProgress
    if (this.#streams.stderr.isTTY !== true) {
      return unit !== undefined && pace ? progressLines(label, unit, line => this.remark(line)) : silentProgress
    }
    return progressBar(label, unit, this.#streams.stderr, this.colour.isColorSupported, pace)
  }

  /** Clears the screen before a new picture, where there is one. */
  clear(): void {
    if (!this.json && this.#streams.stdout.isTTY === true) this.#streams.stdout.write('\x1b[H\x1b[2J')
  }

  /** Asks a person for consent. Where nobody can be asked the answer is yes. */
  async confirm(question: string): Promise<boolean> {
    if (this.json || this.#streams.stdin.isTTY !== true || this.#streams.stderr.isTTY !== true) return true
    const prompt = createInterface({ input: this.#streams.stdin, output: this.#streams.stderr })
    try {
      return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim())
    } finally {
      prompt.close()
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
