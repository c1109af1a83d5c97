import { expect, it } from 'vitest'
import { parseComponents, parsePort } from './components.ts'

it.each([
  ['unleash', ['postgres', 'unleash']],
  ['connect, postgres', ['postgres', 'kafka', 'connect']],
  ['kafka', ['kafka']],
])('starts what %s needs, in order', (text, names) => {
  expect(parseComponents(text)).toEqual(names)
})

it('names every part that is none', () => {
  expect(() => parseComponents('postgres,mongo,redis')).toThrow('"mongo", "redis"')
})

it.each(['', 'x', '-1', '70000', '1.5'])('refuses the port "%s" and names the setting', text => {
  expect(() => parsePort(text, '--kafka-port')).toThrow(`--kafka-port is "${text}"`)
})

it('takes 0 for any free port', () => {
  expect(parsePort('0', '--kafka-port')).toBe(0)
})
