/** Who wrote a batch of records, as kafkajs hands it out with each of them (Kafka protocol, "Record Batch"). */
export interface Producer {
  readonly producerId: string
  readonly producerEpoch: number
}

interface Written {
  readonly offset: string
  readonly batchContext?: Producer | undefined
}

/**
 * Tells by who wrote two records whether the connector was restarted in between. Its task writes in transactions, under one
 * name, and each start takes the next epoch of that name's (KIP-98). From `transaction.version` 2 on, Kafka 4's own, each of its
 * transactions takes the next one too (KIP-890): then a start leaves one out. Which of the two it is the records tell: between
 * those of two transactions stands a marker, which leaves a hole in the offsets.
 *
 * Where the connector wrote a transaction elsewhere meanwhile, such as a heartbeat, it looks restarted and was not.
 */
export class ProducerRuns {
  readonly #latest = new Map<string, Written>()
  /** An epoch was seen to last longer than a transaction. */
  #lasts = false

  /** Learns from what a partition holds, its records in order. */
  learn(partition: string, records: readonly Written[]): void {
    for (const record of this.#lasts ? [] : records) {
      const before = this.#latest.get(partition)
      this.#latest.set(partition, record)
      if (before?.batchContext === undefined || before.batchContext === record.batchContext) continue
      const isSame = record.batchContext !== undefined && epochsBetween(before.batchContext, record.batchContext) === 0
      if (isSame && BigInt(record.offset) > BigInt(before.offset) + 1n) this.#lasts = true
    }
  }

  /** @param before who wrote one record, @param now and one that the connector wrote later. */
  isAnother(before: Producer | undefined, now: Producer | undefined): boolean {
    if (before === undefined || now === undefined) return false
    const epochs = epochsBetween(before, now)
    return epochs === null || epochs > (this.#lasts ? 0 : 1)
  }
}

/** Whether `one` wrote later than `other`, as far as that can be told. */
export function wroteLater(one: Producer | undefined, other: Producer | undefined): boolean {
  return one !== undefined && other !== undefined && (epochsBetween(other, one) ?? 0) > 0
}

/** Null where the name was given a new id, since its epochs were used up. */
function epochsBetween(before: Producer, now: Producer): number | null {
  return before.producerId === now.producerId ? now.producerEpoch - before.producerEpoch : null
}
