import { expect, it } from 'vitest'
import { chooseJava, findJava, parseJavaVersion } from './java.ts'

it.each([
  ['openjdk version "25.0.3" 2026-04-21 LTS', 25],
  ['openjdk version "17" 2021-09-14', 17],
  ['java version "1.8.0_402"', 8],
  ['JAVA_VERSION="21.0.2"', 21],
  ['command not found', undefined],
])('reads %s as %s', (text, version) => {
  expect(parseJavaVersion(text)).toBe(version)
})

it('chooses the newest that is new enough', () => {
  const java = (version: number) => ({ command: `java${version}`, version })
  expect(chooseJava([java(17), java(25), java(21)])).toEqual(java(25))
  expect(chooseJava([java(8), java(11)])).toBeUndefined()
})

it('passes over a JAVA_HOME that holds none', async () => {
  const elsewhere = await findJava({ PATH: process.env.PATH }).catch((error: unknown) => error)
  const withHome = await findJava({ PATH: process.env.PATH, JAVA_HOME: '/nowhere' }).catch((error: unknown) => error)
  expect(withHome).toEqual(elsewhere)
})
