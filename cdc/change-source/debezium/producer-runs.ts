/** Who wrote a batch of records, as kafkajs hands it out with each of them (Kafka protocol, "Record Batch"). */
export interface Producer {
  readonly producerId: string
  readonly producerEpoch: number
}

interface Written {
  readonly offset: string
  readonly batchContext?: Producer | undefined
}

/** So many epochs of which none was seen to last longer than a transaction: so many starts in a row are no longer likely. */
const TELLING_EPOCHS = 4

/**
 * Tells by who wrote two records whether the connector was restarted in between. Its task writes in transactions, under one
 * name, and each start takes the next epoch of that name's (KIP-98). From `transaction.version` 2 on, Kafka 4's own, each of its
 * transactions takes the next one too (KIP-890): then a start leaves one out. Which of the two it is the records tell: between
 * those of two transactions stands a marker, which leaves a hole in the offsets. Until they do, any other epoch is a start.
 *
 * Where the connector wrote a transaction elsewhere meanwhile, such as a heartbeat, it looks restarted and was not.
 */
export class ProducerRuns {
  readonly #latest = new Map<string, Written>()
  readonly #epochs = new Set<string>()
  /** An epoch was seen to last longer than a transaction. */
  #lasts = false

  /** Learns from what a partition holds, its records in order. */
  learn(partition: string, records: readonly Written[]): void {
    let before = this.#latest.get(partition)
    for (const { offset, batchContext } of this.#lasts ? [] : records) {
      if (batchContext !== undefined && batchContext !== before?.batchContext) this.#see(batchContext, offset, before)
      // Not the record: its value would hold on to all that Kafka answered with it.
      before = { offset, batchContext }
    }
    if (before !== undefined) this.#latest.set(partition, before)
  }

  #see(producer: Producer, offset: string, before: Written | undefined): void {
    if (this.#epochs.size < TELLING_EPOCHS) this.#epochs.add(`${producer.producerId}:${producer.producerEpoch}`)
    if (before?.batchContext === undefined || epochsBetween(before.batchContext, producer) !== 0) return
    if (BigInt(offset) > BigInt(before.offset) + 1n) this.#lasts = true
  }

  /** @param before who wrote one record, @param now and one that the connector wrote later. */
  isAnother(before: Producer | undefined, now: Producer | undefined): boolean {
    if (before === undefined || now === undefined) return false
    const epochs = epochsBetween(before, now)
    const endWithTransactions = !this.#lasts && this.#epochs.size >= TELLING_EPOCHS
    return epochs === null || epochs > (endWithTransactions ? 1 : 0)
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
