import type { JsonValue } from './value-text.ts'

/** Recognises what Debezium writes for a value that was not sent (`unavailable.value.placeholder`). */
export class Placeholder {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  stands(value: JsonValue): boolean {
    return value === this.#text
  }
}
