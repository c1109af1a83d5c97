import { SECTIONS } from '@ficus/core/config/schema'
import { expect, it } from 'vitest'
import { chooseEngine } from './engine.ts'

const OPTIONS = {
  capability: 'catalog',
  direction: 'forward',
  source: { url: 'postgres://db/shop', name: 'the source' },
  slot: 's',
  publication: 's',
  tables: [],
  columnsRead: () => new Set<string>(),
  batchRows: 1,
  ignoredOrigins: [],
} as const

it.each([
  ['postgres', {}],
  ['debezium', { kafka: { brokers: ['kafka:9092'] }, connect: { url: 'http://connect:8083' } }],
])('one line of config chooses %s', (engine, addresses) => {
  expect(chooseEngine(SECTIONS.cdc.parse({ engine, ...addresses }))(OPTIONS).engine).toBe(engine)
})

it('invariant 13: names the addresses that the debezium engine lacks', () => {
  const cdc = SECTIONS.cdc.parse({ engine: 'debezium', kafka: { brokers: ['kafka:9092'] } })
  expect(() => chooseEngine(cdc)).toThrow(
    expect.objectContaining({ code: 'FICUS_CONFIG_INVALID', message: 'the engine debezium needs cdc.connect.url' }),
  )
})
