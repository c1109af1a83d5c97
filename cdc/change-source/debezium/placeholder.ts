import type { JsonValue } from './value-text.ts'

/**
 * Recognises what Debezium writes for a value that was not sent (`unavailable.value.placeholder`): a text, whatever the
 * column's type; an hstore is one with that text for its key and its value.
 */
export class Placeholder {
  readonly #text: string
  readonly #hstore: string

  constructor(text: string) {
    this.#text = text
    this.#hstore = JSON.stringify({ [text]: text })
  }

  stands(value: JsonValue): boolean {
    return value === this.#text || value === this.#hstore
  }
}
