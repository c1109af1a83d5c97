/**
 * Every error that Ficus raises on purpose. The remedy is what an operator does next; the page
 * `docs/errors.md` is generated from this table.
 *
 * - `status`: the HTTP status, where the error answers a request.
 * - `retry`: whether the same call may succeed later without anybody changing anything.
 * - `exit`: the exit code of the `ficus` command: 1 refused by a gate, 2 bad usage or config, 3 a part is unreachable.
 */
export const ERROR_CODES = {
  FICUS_USAGE: {
    status: 400,
    retry: false,
    exit: 2,
    remedy: 'Run the command with --help; it ends with an example.',
  },
  FICUS_CONFIG_NOT_FOUND: {
    status: 500,
    retry: false,
    exit: 2,
    remedy: 'Run from the folder that holds ficus.config.ts, or name the file with --config.',
  },
  FICUS_CONFIG_INVALID: {
    status: 500,
    retry: false,
    exit: 2,
    remedy: 'Mend each problem listed; each names its path in the config file.',
  },
  FICUS_CAPABILITY_UNKNOWN: {
    status: 404,
    retry: false,
    exit: 2,
    remedy: 'Use one of the names under `capabilities` in ficus.config.ts.',
  },
  FICUS_MAPPING_INVALID: {
    status: 500,
    retry: false,
    exit: 2,
    remedy: 'Mend the mapping in the capability’s sync file; `ficus check --sql` shows the SQL it becomes.',
  },
  FICUS_COMPONENT_MISSING: {
    status: 500,
    retry: false,
    exit: 2,
    remedy:
      'Install what the message names, or name a server of your own; `cdc.engine: "postgres"` needs no Java, Maven or Kafka.',
  },
  FICUS_PORT_TAKEN: {
    status: 500,
    retry: false,
    exit: 3,
    remedy: 'Stop the process that listens there, or choose another port by the setting that the message names.',
  },
  FICUS_DATABASE_UNREACHABLE: {
    status: 503,
    retry: true,
    exit: 3,
    remedy: 'Start the database or correct its address in ficus.config.ts; the message names which one.',
  },
  FICUS_DATABASE_REFUSED: {
    status: 500,
    retry: false,
    exit: 3,
    remedy: 'Correct the user, password or database name; the message names which database.',
  },
  FICUS_DATABASE_UNFIT: {
    status: 500,
    retry: false,
    exit: 2,
    remedy: 'Change the setting or grant that the message names; `ficus check` lists all of them.',
  },
  FICUS_DATABASE_BUSY: {
    status: 503,
    retry: true,
    exit: 3,
    remedy:
      'It is tried again by itself. If it stays so, mend what the message says there: a full disk, a deadlock, a lock, memory.',
  },
  FICUS_LEDGER_UNREACHABLE: {
    status: 503,
    retry: true,
    exit: 3,
    remedy: 'Start the ledger’s database or correct `ledger.url`. The edge goes on with the last state it knew.',
  },
  FICUS_LEDGER_MISMATCH: {
    status: 409,
    retry: false,
    exit: 2,
    remedy:
      'Another ledger began this sync, and nothing was touched: set `ledger.url` to that one, or restore it from its backup.',
  },
  FICUS_SYNC_NOT_BEGUN: {
    status: 409,
    retry: false,
    exit: 2,
    remedy:
      'Nobody recorded where this sync starts, so rows would be lost: take the phase back and move forward again, or copy anew from `legacy`.',
  },
  FICUS_FLAGS_UNREACHABLE: {
    status: 503,
    retry: true,
    exit: 3,
    remedy: 'Start the flag server or correct `flags.url`. The edge goes on with the last dials it knew.',
  },
  FICUS_FLAGS_REFUSED: {
    status: 500,
    retry: false,
    exit: 3,
    remedy: 'Correct the flag server’s token: `flags.token` to read dials, `flags.adminToken` to set them.',
  },
  FICUS_FLAGS_INVALID: {
    status: 500,
    retry: false,
    exit: 2,
    remedy: 'Mend the flag file: a JSON object that maps a flag’s name to a percentage from 0 to 100.',
  },
  FICUS_SERVICE_UNREACHABLE: {
    status: 503,
    retry: true,
    exit: 3,
    remedy: 'Start the service or the monolith that the message names, or correct its `url`.',
  },
  FICUS_KAFKA_UNREACHABLE: {
    status: 503,
    retry: true,
    exit: 3,
    remedy: 'Start Kafka and Kafka Connect (`npm run stack`), or correct `cdc.kafka` and `cdc.connect`.',
  },
  FICUS_CONNECTOR_FAILED: {
    status: 500,
    retry: false,
    exit: 3,
    remedy:
      'Mend the cause that the message gives; Kafka Connect’s log has the whole trace. Sync restarts the connector itself.',
  },
  FICUS_SLOT_LOST: {
    status: 500,
    retry: false,
    exit: 3,
    remedy:
      'Changes were lost at the source: roll the capability back to legacy and advance it again, which copies anew.',
  },
  FICUS_TARGET_NOT_EMPTY: {
    status: 409,
    retry: false,
    exit: 2,
    remedy: 'Empty the target tables that the message names; a first copy never overwrites rows that it did not write.',
  },
  FICUS_SOURCE_CHANGED: {
    status: 500,
    retry: false,
    exit: 2,
    remedy:
      'Adapt the capability’s sync file to the source’s new columns, then start sync again; it resumes where it stopped.',
  },
  FICUS_MAPPING_CHANGED: {
    status: 500,
    retry: false,
    exit: 2,
    remedy:
      'Put the sync file back as it was; or roll the capability back to legacy and start it again, which copies anew.',
  },
  FICUS_CHANGE_REFUSED: {
    status: 500,
    retry: false,
    exit: 3,
    remedy:
      'The target database refused a change: mend the mapping or the target’s constraint that the message names; sync resumes.',
  },
  FICUS_CHANGE_PARKED: {
    status: 409,
    retry: false,
    exit: 1,
    remedy:
      'Mend the mapping or the target’s constraint, then `ficus parked <capability> retry --all`; or discard with a reason.',
  },
  FICUS_GATE_RED: {
    status: 409,
    retry: false,
    exit: 1,
    remedy:
      'Make each red gate green (the message lists them), or use --force --reason to record why you go on without.',
  },
  FICUS_MOVE_NOT_ALLOWED: {
    status: 409,
    retry: false,
    exit: 1,
    remedy: 'See the phases in docs/concepts.md: one step forward at a time, and back while there is a way back.',
  },
  FICUS_LEASE_HELD: {
    status: 409,
    retry: true,
    exit: 1,
    remedy: 'Another operator is moving this capability: wait for them, or for their lease to run out.',
  },
  FICUS_DATA_DIFFERS: {
    status: 409,
    retry: false,
    exit: 1,
    remedy:
      'Look at the keys that differ, and mend the mapping or what else wrote these rows; then `ficus verify <capability> --data --repair`.',
  },
  FICUS_SYNC_BEHIND: {
    status: 409,
    retry: true,
    exit: 1,
    remedy: 'Wait until `ficus status` shows the sync streaming and caught up; if it does not move, it says why.',
  },
  FICUS_UPSTREAM_REFUSED: {
    status: 502,
    retry: true,
    exit: 3,
    remedy: 'The upstream refuses connections: is it running at the address in ficus.config.ts?',
  },
  FICUS_UPSTREAM_RESET: {
    status: 502,
    retry: true,
    exit: 3,
    remedy: 'The upstream closed the connection before a whole answer: look at its log.',
  },
  FICUS_UPSTREAM_INVALID: {
    status: 502,
    retry: false,
    exit: 3,
    remedy: 'The upstream’s answer is not valid HTTP: look at its log.',
  },
  FICUS_UPSTREAM_TIMEOUT: {
    status: 504,
    retry: true,
    exit: 3,
    remedy: 'The upstream did not answer in time: look at its load, or raise `edge.timeouts`.',
  },
  FICUS_EDGE_DRAINING: {
    status: 503,
    retry: true,
    exit: 3,
    remedy: 'This edge is shutting down: the load balancer should send the request to another one.',
  },
  FICUS_REQUEST_INVALID: {
    status: 400,
    retry: false,
    exit: 2,
    remedy: 'Correct the request as the message says.',
  },
  FICUS_PACT_MISSING: {
    status: 500,
    retry: false,
    exit: 2,
    remedy: 'Run the consumer’s tests to write its pact files, or correct `contracts.pacts`.',
  },
  FICUS_INTERNAL: {
    status: 500,
    retry: false,
    exit: 3,
    remedy: 'This is a bug in Ficus: report it with the message and its cause.',
  },
} as const satisfies Record<string, ErrorEntry>

/** One row of the table. */
export interface ErrorEntry {
  readonly status: number
  readonly retry: boolean
  readonly exit: 1 | 2 | 3
  readonly remedy: string
}

/** A stable code: it never changes its meaning, so people may search and alert on it. */
export type ErrorCode = keyof typeof ERROR_CODES
