import { expect, it } from 'vitest'
import { shortTrace } from './trace.ts'

const TRACE = `org.apache.kafka.connect.errors.ConnectException: An exception occurred in the change event producer.
\tat io.debezium.pipeline.ErrorHandler.setProducerThrowable(ErrorHandler.java:67)
Caused by: org.apache.kafka.connect.errors.ConnectException: Error while processing event at offset {lsn=5}
\tat io.debezium.pipeline.EventDispatcher.dispatch(EventDispatcher.java:300)
\t... 10 more
Caused by: io.debezium.DebeziumException: Failed to properly convert data value for 'public.t.an'
\t... 12 more`

it('keeps the error on top and its last cause, without frames and packages', () => {
  expect(shortTrace(TRACE)).toBe(
    'ConnectException: An exception occurred in the change event producer. <- ' +
      `DebeziumException: Failed to properly convert data value for 'public.t.an'`,
  )
  expect(shortTrace('Simple: it broke')).toBe('Simple: it broke')
})

it('cuts what is too long for a line', () => {
  expect(shortTrace('x'.repeat(5_000))).toHaveLength(601)
})
