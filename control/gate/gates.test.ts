import type { ShadowCount, StoredGateResult, SyncStatus, Versions } from '@ficus/core/ledger/records'
import { describe, expect, it } from 'vitest'
import { judgeCheck } from './check.ts'
import { judgeData } from './data.ts'
import { whyStale } from './freshness.ts'
import { judgeLag } from './lag.ts'
import { judgeReverse } from './reverse.ts'
import { countSince, judgeShadow } from './shadow.ts'

const streaming: SyncStatus & { ageSeconds: number } = {
  direction: 'forward',
  engine: 'postgres',
  state: 'streaming',
  copiedRows: 10,
  estimatedRows: 10,
  appliedRows: 3,
  parked: 0,
  lagRows: 2,
  lagSeconds: 0.4,
  position: '0/1',
  error: null,
  ageSeconds: 1,
}

describe('lag', () => {
  it.each([
    ['streaming and near', streaming, 'pass', '2 rows, 0.4 s behind (limit 5 s)'],
    ['at the limit', { ...streaming, lagSeconds: 5 }, 'pass', '5.0 s'],
    ['past the limit', { ...streaming, lagSeconds: 5.1 }, 'fail', '5.1 s'],
    [
      'copying',
      { ...streaming, state: 'copying' as const, estimatedRows: 40 },
      'fail',
      'still copying: 10 rows, about 25 %',
    ],
    ['waiting', { ...streaming, state: 'waiting' as const }, 'fail', 'sync is waiting'],
    ['silent', { ...streaming, ageSeconds: 34 }, 'inconclusive', 'no sync process has reported for 34 s'],
    ['never there', null, 'inconclusive', 'no sync process has ever reported'],
    [
      'failed',
      { ...streaming, error: { code: 'FICUS_SLOT_LOST', message: 'slot ficus_x is lost', remedy: '' } },
      'fail',
      'FICUS_SLOT_LOST: slot ficus_x is lost',
    ],
  ] as const)('%s', (_name, report, verdict, words) => {
    const judgement = judgeLag(report, { maxSeconds: 5 })
    expect(judgement.verdict).toBe(verdict)
    expect(judgement.summary).toContain(words)
  })
})

describe('shadow', () => {
  const count = (matched: number, mismatched: number, route = 'GET /a'): ShadowCount => ({
    route,
    matched,
    mismatched,
    ignored: 7,
    example: null,
  })

  it.each([
    ['enough and equal', [count(100, 0)], 0, 'pass', '100 answers compared, 0 differed'],
    ['too few', [count(99, 0)], 0, 'inconclusive', '100 are needed'],
    ['none', [], 0, 'inconclusive', '0 answers compared'],
    ['ignored ones do not count', [count(0, 0)], 0, 'inconclusive', '0 answers compared'],
    ['one differs', [count(500, 0), count(99, 1, 'GET /b')], 0, 'fail', 'most on GET /b'],
    ['one differs and too few', [count(3, 1)], 0, 'fail', '1 differed'],
    ['within the ratio', [count(99, 1)], 0.01, 'pass', '1 differed (1 %, limit 1 %)'],
    ['past the ratio', [count(98, 2)], 0.01, 'fail', '2 differed'],
    ['within what the ratio would allow, too few', [count(8, 1)], 0.01, 'inconclusive', '100 are needed'],
  ] as const)('%s', (_name, counts, maxMismatchRatio, verdict, words) => {
    const judgement = judgeShadow(counts, { minimum: 100, maxMismatchRatio })
    expect(judgement.verdict).toBe(verdict)
    expect(judgement.summary).toContain(words)
  })

  describe('invariant 9: comparisons count for the versions that run now', () => {
    const phaseSince = new Date('2026-01-01T10:00:30Z')
    const now = new Date('2026-01-01T10:07:10Z')
    const nextMinute = new Date('2026-01-01T10:08:00Z')
    const v1: Versions = { service: '1' }
    const v2: Versions = { service: '2' }
    const last = (versions: Versions, since: Date, measuredAt = new Date('2026-01-01T10:05:00Z')) => ({
      versions,
      evidence: { since: since.toISOString() },
      measuredAt,
    })
    const since = (history: Partial<Parameters<typeof countSince>[0]>) =>
      countSince({ phaseSince, versionsAtMove: v1, last: undefined, versions: v1, now, ...history })

    it('counts since the phase began while nothing changed', () => {
      expect(since({})).toEqual(phaseSince)
      expect(since({ last: last(v1, phaseSince) })).toEqual(phaseSince)
      expect(since({ versionsAtMove: null })).toEqual(phaseSince)
    })
    it('starts anew, at the next minute, when another version is seen', () => {
      expect(since({ versions: v2 })).toEqual(nextMinute)
      expect(since({ versions: v2, last: last(v1, phaseSince) })).toEqual(nextMinute)
    })
    it('goes on from there while that version stays', () => {
      const first = new Date('2026-01-01T10:06:00Z')
      expect(since({ versions: v2, last: last(v2, first) })).toEqual(first)
    })
    it('forgets what an earlier stay in this phase found', () => {
      const earlier = new Date('2026-01-01T09:00:00Z')
      expect(since({ last: last(v1, earlier, earlier) })).toEqual(phaseSince)
    })
  })
})

describe('data', () => {
  const manner = { resumed: false, since: '2026-01-01T10:00:00.000Z' }

  it('passes when not one row differs', () => {
    const diff = { tables: [{ table: 'a -> b', compared: 1_200, differing: 0, undecided: 0 }], manner }
    expect(judgeData(diff)).toEqual({ verdict: 'pass', summary: '1,200 rows of 1 table compared, none differs' })
  })
  it('says since when, where part of it was compared by an earlier run', () => {
    const tables = [{ table: 'a -> b', compared: 1_200, differing: 0, undecided: 0 }]
    expect(judgeData({ tables, manner: { ...manner, resumed: true } }).summary).toBe(
      '1,200 rows of 1 table compared since 2026-01-01T10:00:00.000Z, none differs',
    )
  })
  it('names the tables that held nothing to compare', () => {
    const tables = [
      { table: 'a -> b', compared: 3, differing: 0, undecided: 0 },
      { table: 'c -> d', compared: 0, differing: 0, undecided: 0 },
    ]
    expect(judgeData({ tables, manner })).toEqual({
      verdict: 'pass',
      summary: '3 rows of 2 tables compared, none differs; empty: c -> d',
    })
  })
  it('is inconclusive where there was no row at all', () => {
    const empty = { table: 'a -> b', compared: 0, differing: 0, undecided: 0 }
    expect(judgeData({ tables: [empty], manner })).toEqual({
      verdict: 'inconclusive',
      summary: 'no row was compared: the table is empty',
    })
    expect(judgeData({ tables: [empty, empty], manner }).summary).toBe('no row was compared: all tables are empty')
  })
  it('is inconclusive while a row is too busy to be compared', () => {
    const tables = [{ table: 'a -> b', compared: 10, differing: 0, undecided: 1 }]
    expect(judgeData({ tables, manner })).toMatchObject({ verdict: 'inconclusive' })
  })
  it('fails for one row', () => {
    const tables = [
      { table: 'a -> b', compared: 10, differing: 1, undecided: 2 },
      { table: 'c -> d', compared: 10, differing: 0, undecided: 0 },
    ]
    expect(judgeData({ tables, manner })).toMatchObject({
      verdict: 'fail',
      summary: '20 rows of 2 tables compared, 1 row differs; most in a -> b',
    })
  })
  it('counts in the words of its number', () => {
    const tables = [{ table: 'a -> b', compared: 1, differing: 2, undecided: 0 }]
    expect(judgeData({ tables, manner }).summary).toBe('1 row of 1 table compared, 2 rows differ; most in a -> b')
  })
})

describe('check', () => {
  const problem = { code: 'FICUS_DATABASE_UNFIT', where: 'x', problem: 'wal_level is replica', remedy: 'y' } as const
  const note = { where: 'x', problem: 'unnamed', remedy: 'y' }

  it('passes without a problem, whatever the notes say, and names the first of several', () => {
    expect(judgeCheck([{ name: 'a', detail: '', problems: [], notes: [note] }]).verdict).toBe('pass')
    const areas = [{ name: 'a', detail: '', problems: [problem, problem], notes: [note] }]
    expect(judgeCheck(areas)).toEqual({ verdict: 'fail', summary: 'wal_level is replica and 1 more' })
  })
})

describe('invariant 9: evidence counts while it is young and for exactly these versions', () => {
  const versions = { monolith: '1.0', service: '2.0', sync: `sha256:${'a'.repeat(64)}` }
  const measuredAt = new Date('2026-01-01T10:00:00Z')
  const result: StoredGateResult = {
    id: 1,
    gate: 'load',
    verdict: 'pass',
    summary: '',
    evidence: {},
    versions,
    measuredAt,
  }
  const after = (seconds: number) => new Date(measuredAt.getTime() + seconds * 1_000)

  it.each([
    ['young and equal', versions, 900, null],
    ['old', versions, 901, 'measured 15 min ago'],
    ['another service', { ...versions, service: '2.1' }, 1, 'service 2.0 (2.1 runs now)'],
    [
      'another sync file',
      { ...versions, sync: `sha256:${'b'.repeat(64)}` },
      1,
      'sync aaaaaaaaaaaa (bbbbbbbbbbbb runs now)',
    ],
    ['pacts that came since', { ...versions, pacts: 'sha256:1' }, 1, 'pacts none'],
    ['pacts that went since', { monolith: '1.0', service: '2.0' }, 1, '(none runs now)'],
  ])('%s', (_name, current, age, why) => {
    const stale = whyStale(result, current, after(age), 900_000)
    if (why === null) expect(stale).toBeNull()
    else expect(stale).toContain(why)
  })
})

describe('reverse', () => {
  const finding = { kind: 'problem', part: 'rows', where: 'a.b', problem: 'is lossy', remedy: 'x' } as const

  it('passes with rows and without a problem, whatever the notes say', () => {
    const report = { comparedRows: 300, writtenRows: 20, findings: [{ ...finding, kind: 'note' as const }] }
    expect(judgeReverse(report)).toEqual({
      verdict: 'pass',
      summary: '300 rows went there and back, the monolith takes them, the stream can be read; 1 note',
    })
  })
  it('fails for one problem, and is inconclusive where no row was there to prove it on', () => {
    expect(judgeReverse({ comparedRows: 300, writtenRows: 0, findings: [finding, finding] })).toEqual({
      verdict: 'fail',
      summary: 'a.b: is lossy, and 1 more problem',
    })
    expect(judgeReverse({ comparedRows: 0, writtenRows: 0, findings: [] }).verdict).toBe('inconclusive')
  })
  it('is inconclusive where something could not be tried, and no problem is known', () => {
    const undecided = { ...finding, kind: 'undecided', problem: 'was held' } as const
    expect(judgeReverse({ comparedRows: 300, writtenRows: 9, findings: [undecided] })).toEqual({
      verdict: 'inconclusive',
      summary: 'a.b: was held; run it again',
    })
    expect(judgeReverse({ comparedRows: 300, writtenRows: 9, findings: [undecided, finding] }).verdict).toBe('fail')
  })
})
