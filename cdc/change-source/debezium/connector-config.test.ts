import { expect, it } from 'vitest'
import { type ConnectorInput, connectorConfig } from './connector-config.ts'

const INPUT: ConnectorInput = {
  name: 'ficus.catalog.forward.0-1A2B',
  databaseUrl: 'postgres://user%40x:p%2Fw@db.example:5433/shop',
  slot: 'ficus_catalog_forward_0123abcd',
  publication: 'ficus_catalog_forward_0123abcd',
  tables: [
    { schema: 'public', table: 'products' },
    { schema: 'Sales', table: 'Order, Items' },
  ],
  unread: [{ table: { schema: 'public', table: 'products' }, column: 'internal note' }],
  topics: { layout: 'single', keys: {}, maxMessageBytes: 16 * 1024 * 1024 },
  retryMs: 2_000,
  transactionMs: 15_000,
}

it('is made of the capability’s settings', () => {
  expect(connectorConfig(INPUT)).toMatchInlineSnapshot(`
    {
      "binary.handling.mode": "hex",
      "column.exclude.list": "public\\.products\\.internal\\ note",
      "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
      "database.dbname": "shop",
      "database.hostname": "db.example",
      "database.password": "p/w",
      "database.port": "5433",
      "database.user": "user@x",
      "decimal.handling.mode": "string",
      "driver.options": "-c TimeZone=UTC -c DateStyle=ISO,\\ MDY -c IntervalStyle=postgres -c bytea_output=hex -c xmloption=content -c extra_float_digits=1 -c lc_monetary=C",
      "errors.max.retries": "10",
      "event.converting.failure.handling.mode": "fail",
      "exactly.once.support": "required",
      "extended.headers.enabled": "false",
      "heartbeat.action.query": "SELECT pg_logical_emit_message(true, 'ficus.heartbeat', '')",
      "heartbeat.interval.ms": "10000",
      "hstore.handling.mode": "json",
      "include.unknown.datatypes": "true",
      "interval.handling.mode": "string",
      "key.converter": "org.apache.kafka.connect.json.JsonConverter",
      "key.converter.schemas.enable": "false",
      "max.batch.size": "8192",
      "max.queue.size": "32768",
      "max.queue.size.in.bytes": "67108864",
      "offset.mismatch.strategy": "trust_offset",
      "plugin.name": "pgoutput",
      "poll.interval.ms": "10",
      "producer.override.buffer.memory": "33554432",
      "producer.override.linger.ms": "0",
      "producer.override.max.request.size": "16777216",
      "producer.override.transaction.timeout.ms": "15000",
      "provide.transaction.metadata": "true",
      "publication.autocreate.mode": "disabled",
      "publication.name": "ficus_catalog_forward_0123abcd",
      "publish.via.partition.root": "true",
      "retriable.restart.connector.wait.ms": "2000",
      "skipped.operations": "none",
      "slot.drop.on.stop": "false",
      "slot.name": "ficus_catalog_forward_0123abcd",
      "snapshot.mode": "no_data",
      "table.include.list": "public\\.products,Sales\\.Order\\,\\ Items",
      "tasks.max": "1",
      "time.precision.mode": "isostring",
      "tombstones.on.delete": "false",
      "topic.prefix": "ficus.catalog.forward.0-1A2B",
      "transforms": "route",
      "transforms.route.regex": ".*",
      "transforms.route.replacement": "ficus.catalog.forward.0-1A2B",
      "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
      "unavailable.value.placeholder": "ficus.unchanged:ficus.catalog.forward.0-1A2B",
      "value.converter": "org.apache.kafka.connect.json.JsonConverter",
      "value.converter.schemas.enable": "false",
    }
  `)
})

it('reaches the database where Kafka Connect does, over TLS where Ficus does', () => {
  const addressOf = (input: Partial<ConnectorInput>) => {
    const config = connectorConfig({ ...INPUT, ...input })
    return [config['database.hostname'], config['database.port'], config['database.sslmode']]
  }
  expect(addressOf({ connectDatabaseHost: 'postgres:5432' })).toEqual(['postgres', '5432', undefined])
  expect(addressOf({ connectDatabaseHost: 'postgres' })).toEqual(['postgres', '5433', undefined])
  expect(addressOf({ databaseUrl: 'postgres://u:p@db/shop?sslmode=require' })).toEqual(['db', '5432', 'require'])
})

it('names tables so that a regular expression matches them alone', () => {
  const list = connectorConfig(INPUT)['table.include.list'] ?? ''
  const [products = '', items = ''] = list.split(/(?<!\\),/)
  expect(new RegExp(`^${products}$`).test('public.products')).toBe(true)
  expect(new RegExp(`^${products}$`).test('publicxproducts')).toBe(false)
  expect(new RegExp(`^${items}$`).test('Sales.Order, Items')).toBe(true)
})

it('leaves the list of columns out where the mapping reads all of them', () => {
  expect(connectorConfig({ ...INPUT, unread: [] })).not.toHaveProperty(['column.exclude.list'])
})

it('with a topic a table, keys are what the config says, and a key’s columns travel', () => {
  const topics: ConnectorInput['topics'] = {
    layout: 'tables',
    keys: { products: ['internal note'], '"Sales"."Order, Items"': ['a', 'b'], elsewhere: ['c'] },
    maxMessageBytes: 100 * 1024 * 1024,
  }
  const config = connectorConfig({ ...INPUT, topics })
  expect(config['message.key.columns']).toBe(String.raw`public\.products:internal note;Sales\.Order\,\ Items:a,b`)
  expect(config).not.toHaveProperty('column.exclude.list')
  expect(config['transforms.route.replacement']).toBe(`${INPUT.name}.transaction`)
  expect(config['producer.override.buffer.memory']).toBe(String(200 * 1024 * 1024))
})
