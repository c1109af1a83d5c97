import { expect, it } from 'vitest'
import { coloursFor } from './colours.ts'
import { table } from './table.ts'

it('aligns its columns without lines, trailing blanks or colours of its own', () => {
  const rows = [
    ['first copy', '200,000'],
    ['backlog', '9'],
  ]
  expect(table(['what', 'rows/s'], rows).split('\n')).toEqual([
    'what        rows/s',
    'first copy  200,000',
    'backlog     9',
  ])
})

it('measures a coloured cell by what is seen of it', () => {
  const { bold } = coloursFor({ isTTY: true }, {})
  expect(table(['part', 'address'], [[bold('Kafka'), 'here']])).toBe(`part   address\n${bold('Kafka')}  here`)
})

it('gives colours to a terminal only, and to none where NO_COLOR is set', () => {
  expect(coloursFor({ isTTY: true }, {}).bold('x')).toBe('\x1b[1mx\x1b[22m')
  expect(coloursFor({ isTTY: true }, { NO_COLOR: '1' }).bold('x')).toBe('x')
  expect(coloursFor({ isTTY: false }, { CI: 'true', FORCE_COLOR: '1' }).bold('x')).toBe('x')
  expect(coloursFor({}, {}).bold('x')).toBe('x')
})
