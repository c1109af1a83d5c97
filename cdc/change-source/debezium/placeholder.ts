import { createHash } from 'node:crypto'
import type { JsonValue } from './value-text.ts'

/**
 * Recognises what Debezium writes for a value that was not sent (`unavailable.value.placeholder`): a text, whatever the
 * column's type; in an array that text alone, or as a UUID made of it, or its bytes as numbers.
 */
export class Placeholder {
  readonly #text: string
  readonly #bytes: Buffer
  readonly #uuid: string

  constructor(text: string) {
    this.#text = text
    this.#bytes = Buffer.from(text)
    this.#uuid = nameBasedUuid(text)
  }

  stands(value: JsonValue): boolean {
    if (typeof value === 'string') return value === this.#text
    if (!Array.isArray(value)) return false
    const items: readonly JsonValue[] = value
    if (items.length === 1 && (items[0] === this.#text || items[0] === this.#uuid)) return true
    return items.length === this.#bytes.length && items.every((item, index) => item === this.#bytes[index])
  }
}

/** RFC 9562, version 3 without a name space, as Java's `UUID.nameUUIDFromBytes` makes it. */
function nameBasedUuid(text: string): string {
  const hash = createHash('md5').update(text).digest()
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x30
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  const hex = hash.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
