import { FicusError } from '@ficus/core/errors/ficus-error'
import { table } from '@ficus/core/terminal/table'
import { Argument, type Command, InvalidArgumentError } from 'commander'
import type { Control } from '../control.ts'
import { type Chosen, discard, listParked, type ParkedGroup, retry, showKey } from '../joint/parked.ts'
import { plural, showAge } from '../terminal/words.ts'
import { type CommonOptions, type ExitCode, ficusCommand, type Host, runWithControl, type Session } from './command.ts'

interface ParkedOptions extends CommonOptions {
  readonly all?: true
  readonly reason?: string
  readonly as?: string
}

const ACTIONS = ['list', 'show', 'retry', 'discard'] as const
type Action = (typeof ACTIONS)[number]

/** What each takes besides the capability. */
const TAKES: Readonly<Record<Action, readonly string[]>> = {
  list: [],
  show: ['id'],
  retry: ['id', '--all', '--as'],
  discard: ['id', '--all', '--reason', '--as'],
}

/** What one call is about. */
interface Request {
  readonly capability: string
  readonly id: number | undefined
  readonly options: ParkedOptions
}

/** `ficus parked <capability>` */
export function parkedCommand(host: Host): Command {
  return ficusCommand(
    'parked',
    'Lists the changes that the target refused, shows one, tries them again, or discards them.',
    [
      'ficus parked catalog',
      'ficus parked catalog show 7',
      'ficus parked catalog retry --all',
      'ficus parked catalog discard 7 --reason "a test order"',
    ],
    {
      0: 'done; of a list also where changes are parked',
      1: 'a retry left something parked: the target refuses it still',
      130: 'interrupted by Ctrl-C; what a retry applied stays applied',
    },
  )
    .argument('<capability>', 'whose changes')
    .addArgument(new Argument('[action]', 'what to do with them').choices(ACTIONS).default('list'))
    .argument(
      '[id]',
      'a change, for show, retry and discard; it stands for all that are parked for its key',
      wholeNumber,
    )
    .option('--all', 'retry or discard every one of them')
    .option('--reason <text>', 'why they are discarded, kept with them and in the journal; discard needs it')
    .option('--as <name>', 'who does it, for the journal (default: the system user)')
    .action((capability: string, action: Action, id: number | undefined, options: ParkedOptions) =>
      runWithControl(host, options, async (control, session) => {
        control.capability(capability)
        const request = { capability, id, options }
        refuseUnused(action, request)
        return RUN[action](control, session, request)
      }),
    )
}

type Run = (control: Control, session: Session, request: Request) => Promise<ExitCode>

const RUN: Readonly<Record<Action, Run>> = {
  list: async (control, { terminal }, { capability }) => {
    const groups = await listParked(control, capability)
    const now = (await control.now()).getTime()
    const row = ([first, ...behind]: ParkedGroup) => [
      String(first.id),
      first.table,
      showKey(first.key),
      first.kind,
      `${showAge(now - first.parkedAt.getTime())} ago`,
      String(behind.length),
      first.lastError ?? first.reason ?? '',
    ]
    if (groups.length === 0) terminal.line('nothing is parked')
    else terminal.line(table(['id', 'table', 'key', 'change', 'parked', 'behind it', 'reason'], groups.map(row)))
    terminal.document({ capability, parked: groups.map(toDocument) })
    return 0
  },

  show: async (control, { terminal }, { capability, id }) => {
    if (id === undefined) throw usage(capability, 'show needs the id of a change')
    const group = (await listParked(control, capability)).find(changes => changes.some(change => change.id === id))
    const change = group?.find(member => member.id === id)
    if (group === undefined || change === undefined) throw usage(capability, `no change ${id} is parked`)
    const rows = [
      ['change', `${change.kind} of ${change.table} (${showKey(change.key)})`],
      ['goes to', change.targets.join(', ')],
      ['reason', change.reason ?? `not tried: change ${group[0].id} of its key is parked`],
      ['sqlstate', change.sqlState ?? ''],
      ['committed', change.sourceCommit?.toISOString() ?? ''],
      ['parked', change.parkedAt.toISOString()],
      ['retries', change.lastError === null ? `${change.attempts}` : `${change.attempts}, last: ${change.lastError}`],
      [
        'with it',
        group
          .filter(member => member !== change)
          .map(member => `${member.kind} ${member.id}`)
          .join(', '),
      ],
    ]
    terminal.line(
      table(
        [],
        rows.filter(([, value]) => value !== ''),
      ),
    )
    terminal.line()
    terminal.line(
      change.event === null
        ? 'the target cannot show its values, or they are too large'
        : JSON.stringify(change.event, null, 2),
    )
    terminal.document({ capability, change, with: group.filter(member => member !== change) })
    return 0
  },

  retry: async (control, { terminal, signal }, request) => {
    const { capability } = request
    const applied: ParkedGroup[] = []
    // What is applied stays so, even if the rest fails.
    const keep = async () => {
      const changes = applied.flat()
      if (changes.length === 0) return
      const evidence = evidenceOf(changes)
      await control.ledger.note({ capability, actor: control.actor, action: 'retry parked', reason: null, evidence })
    }
    const onApplied = (group: ParkedGroup) => void applied.push(group)
    const retrying = retry(control, capability, chosenBy(request, 'retry'), { signal, onApplied })
    const { refused, closed } = await retrying.catch(async (error: unknown) => {
      if (applied.length > 0) terminal.line(`${plural(applied.flat().length, 'change')} applied, then it broke off`)
      await keep()
      throw error
    })
    await keep()
    terminal.line(`${plural(applied.flat().length, 'change')} applied`)
    for (const { group, outcome, by } of closed) terminal.line(`${nameOf(group)}: ${outcome} meanwhile by ${by}`)
    for (const { group, reason } of refused) terminal.line(`${nameOf(group)}: ${reason}`)
    terminal.document({
      capability,
      applied: applied.map(toDocument),
      closed: closed.map(({ group, outcome, by }) => ({ ...toDocument(group), outcome, by })),
      refused: refused.map(({ group, reason }) => ({ ...toDocument(group), reason })),
    })
    if (refused.length === 0) return 0
    throw new FicusError(
      'FICUS_CHANGE_PARKED',
      `${plural(refused.length, `row of ${capability} stays`, `rows of ${capability} stay`)} parked`,
    )
  },

  discard: async (control, { terminal }, request) => {
    const { capability, options } = request
    const reason = options.reason?.trim()
    if (!reason) throw usage(capability, 'discard needs --reason "…", which is kept')
    const groups = await discard(control, capability, chosenBy(request, 'discard'), reason)
    const changes = groups.flat()
    if (changes.length > 0) {
      const evidence = evidenceOf(changes)
      await control.ledger.note({ capability, actor: control.actor, action: 'discard parked', reason, evidence })
    }
    const differ = `${groups.length === 1 ? 'its row' : 'their rows'} may differ now: \`ficus verify ${capability} --data\``
    terminal.line(`${plural(changes.length, 'change')} discarded${changes.length === 0 ? '' : `; ${differ}`}`)
    terminal.document({ capability, discarded: groups.map(toDocument), reason })
    return 0
  },
}

/** Whoever writes more than an action takes means another one. */
function refuseUnused(action: Action, { capability, id, options }: Request): void {
  const given = { id, '--all': options.all, '--reason': options.reason, '--as': options.as }
  const unused = Object.entries(given).find(([name, value]) => value !== undefined && !TAKES[action].includes(name))
  if (unused === undefined) return
  const [name] = unused
  throw usage(capability, `${action} takes no ${name === 'id' ? `id, and ${id} was given` : name}`)
}

function chosenBy({ capability, id, options }: Request, action: string): Chosen {
  if (id === undefined && options.all === true) return 'all'
  if (id !== undefined && options.all === undefined) return id
  throw usage(capability, `${action} needs the id of a change, or --all`)
}

function usage(capability: string, message: string): FicusError {
  return new FicusError('FICUS_USAGE', message, {
    remedy: `\`ficus parked ${capability}\` lists what is parked; \`ficus parked --help\` ends with an example.`,
  })
}

/** What the journal keeps. The rows' values stay in the target, in `ficus.parked_closed`. */
function evidenceOf(changes: readonly ParkedGroup[0][]) {
  return { parked: changes.map(({ id, table, key, kind }) => ({ id, table, key, kind })) }
}

function nameOf([{ id, kind, table, key }]: ParkedGroup): string {
  return `${id}, the ${kind} of ${table} (${showKey(key)})`
}

function toDocument([first, ...behind]: ParkedGroup): Readonly<Record<string, unknown>> {
  return { ...first, behind }
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new InvalidArgumentError('It must be the id of a parked change.')
}
