import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { ConnectClient, ConnectorStatus } from './connect-client.ts'

/** How long Kafka Connect may take to bring a task to run, or to end it. */
const PATIENCE_MS = 60_000
const POLL_MS = 200

/**
 * Registers the connector, or gives it its configuration of now, and waits until its task runs with it. One that had
 * failed is restarted, one that somebody paused goes on.
 * @throws FICUS_CONNECTOR_FAILED with the task's reason, FICUS_KAFKA_UNREACHABLE.
 */
export async function runConnector(
  connect: ConnectClient,
  name: string,
  config: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const registered = await connect.config(name)
  const differs = !isDeepStrictEqual(registered, { ...config, name })
  // A task that runs goes on for a while with what it was given before, and nothing tells when it has ended.
  const stopped = differs && registered !== null
  if (stopped) await stopConnector(connect, name)
  if (differs) await connect.configure(name, config)
  const before = await connect.status(name)
  // With a new configuration it is told as `UNASSIGNED` for a moment, and stays stopped all the same.
  if (stopped || before?.state === 'PAUSED' || before?.state === 'STOPPED') await connect.resume(name)
  else if (before?.failure != null) await connect.restartFailed(name)
  const status = await settled(connect, name, isRunning, signal, before?.failure ?? null)
  if (status?.failure != null) throw connectorFailed(name, status.failure)
}

/** @throws FICUS_CONNECTOR_FAILED where the connector is gone, or it or its task has failed. */
export async function assertRuns(connect: ConnectClient, name: string): Promise<void> {
  const status = await connect.status(name)
  if (status === null) throw connectorFailed(name, REMOVED)
  if (status.failure !== null) throw connectorFailed(name, status.failure)
}

/** Why a connector does not run that Kafka Connect does not know. */
export const REMOVED = 'it was removed from Kafka Connect'

/** Ends the connector's tasks and waits until they have ended: then nobody reads the slot or writes to the topic. */
export async function stopConnector(connect: ConnectClient, name: string): Promise<void> {
  await connect.stop(name)
  await settled(connect, name, isStopped, new AbortController().signal, null)
}

/**
 * Waits until the connector is as wanted or has failed.
 * @param known a failure that was there before and may be told for a moment still.
 */
async function settled(
  connect: ConnectClient,
  name: string,
  wanted: (status: ConnectorStatus | null) => boolean,
  signal: AbortSignal,
  known: string | null,
): Promise<ConnectorStatus | null> {
  const started = performance.now()
  for (;;) {
    signal.throwIfAborted()
    const status = await connect.status(name)
    if (wanted(status)) return status
    const waited = performance.now() - started
    if (status?.failure != null && (status.failure !== known || waited > STALE_MS)) return status
    if (waited > PATIENCE_MS) {
      const tasks = status === null ? 'unknown' : `${status.state}, tasks ${status.tasks.join(', ') || 'none'}`
      throw connectorFailed(name, `after ${PATIENCE_MS / 1000} s its state is ${tasks}`)
    }
    await sleep(POLL_MS)
  }
}

/** How long a restarted task may still be told as failed for its old reason. */
const STALE_MS = 5_000

function isRunning(status: ConnectorStatus | null): boolean {
  return status?.state === 'RUNNING' && status.tasks.length > 0 && status.tasks.every(state => state === 'RUNNING')
}

function isStopped(status: ConnectorStatus | null): boolean {
  return status === null || (status.state === 'STOPPED' && status.tasks.length === 0)
}

/**
 * Why a connector does not do its work.
 * @param reason what Kafka Connect tells; a record that is too large has a remedy of its own.
 */
export function connectorFailed(name: string, reason: string): FicusError {
  return new FicusError('FICUS_CONNECTOR_FAILED', `connector ${name} has failed: ${reason}`, {
    details: { name, reason },
    ...(isTooLarge(reason) ? { remedy: TOO_LARGE_REMEDY } : {}),
  })
}

/** Whether Kafka takes an event for too large: no restart makes it smaller. */
export function isTooLarge(reason: string): boolean {
  return /RecordTooLargeException|MessageTooLargeException/.test(reason)
}

const TOO_LARGE_REMEDY =
  'Nothing was skipped. Raise cdc.topics.maxMessageBytes above the size that the message gives and restart sync: it sets topic, producer and reader. Above 100 MB raise the brokers’ socket.request.max.bytes too, and above 200 MB the heaps of Kafka Connect (1 GB) and the brokers (512 MB).'
