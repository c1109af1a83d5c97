import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { EventRow } from '../change-event/change-event.ts'
import type { Change, Relation } from '../change-source/change-source.ts'
import { rowKeys, textsToBytes } from './key-bytes.ts'

/** A table in one shape, and its blocked keys as their bytes come in that shape. */
interface Shape {
  readonly table: string
  /** For each key that the table's flows have: where its columns stand in the relation. */
  readonly keys: readonly (readonly number[])[]
  readonly blocked: Set<string>
}

/**
 * The keys that parked changes block. A database keeps them as text; here they are known by the bytes in which the
 * stream brings them, so that looking one up converts nothing. A shape is learned before it is asked about.
 */
export class BlockedKeys {
  /** Source table -> keys in the form of `keyText`. */
  readonly #texts = new Map<string, Set<string>>()
  readonly #shapes = new Map<Relation, Shape>()

  get none(): boolean {
    return this.#texts.size === 0
  }

  /** Forgets all, and blocks these keys, which are known as text only. */
  reset(blocked: readonly { readonly table: string; readonly keys: readonly string[] }[]): void {
    this.#texts.clear()
    this.#shapes.clear()
    for (const { table, keys } of blocked) this.#addTexts(table, keys)
  }

  /**
   * Has the server turn the table's blocked keys into the bytes of a shape that is met for the first time.
   * @param keys for each key of the table's flows, where its columns stand in the relation.
   */
  async learn(client: Client, relation: Relation, keys: readonly (readonly number[])[]): Promise<void> {
    if (this.#shapes.has(relation)) return
    const table = showTable(relation.table)
    const blocked = new Set<string>()
    const texts = [...(this.#texts.get(table) ?? [])].map((text): EventRow => JSON.parse(text))
    for (const [index, columns] of keys.entries()) {
      const named = columns.flatMap(column => relation.columns[column] ?? [])
      // By name: a JavaScript object has names that are whole numbers first, whatever the order of the key.
      const ofKey = texts
        .filter(
          text => Object.keys(text).length === named.length && named.every(({ name }) => Object.hasOwn(text, name)),
        )
        .map(text => named.map(({ name }) => text[name] ?? null))
      for (const bytes of await textsToBytes(client, relation.format, named, ofKey)) blocked.add(`${index} ${bytes}`)
    }
    this.#shapes.set(relation, { table, keys, blocked })
  }

  /** Whether the row before or after the change has a blocked key. */
  blocks(data: Buffer, change: Change): boolean {
    const shape = this.#shapes.get(change.relation)
    if (shape === undefined || shape.blocked.size === 0) return false
    return keysOf(data, change, shape).some(key => shape.blocked.has(key))
  }

  blocksTable(table: string): boolean {
    return this.#texts.has(table)
  }

  /** Blocks the keys of a change whose shape was learned. @param texts the same keys as text. */
  add(data: Buffer, change: Change, texts: readonly string[]): void {
    this.#addTexts(showTable(change.relation.table), texts)
    const shape = this.#shapes.get(change.relation)
    if (shape !== undefined) for (const key of keysOf(data, change, shape)) shape.blocked.add(key)
  }

  freeTable(table: string): void {
    this.#texts.delete(table)
    for (const shape of this.#shapes.values()) if (shape.table === table) shape.blocked.clear()
  }

  #addTexts(table: string, keys: readonly string[]): void {
    const known = this.#texts.get(table) ?? new Set()
    for (const key of keys) known.add(key)
    this.#texts.set(table, known)
  }
}

/** The keys of the rows before and after, each with the number of the flows' key that it is. */
function keysOf(data: Buffer, change: Change, { keys }: Shape): string[] {
  return keys.flatMap((columns, index) => rowKeys(data, change, columns).map(key => `${index} ${key}`))
}
