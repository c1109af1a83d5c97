import { describe, expect, it } from 'vitest'
import { localPath } from './pages.ts'

describe('localPath', () => {
  it.each(['/checkout', '/orders/S-1?placed', '/'])('goes on to %s', path => expect(localPath(path)).toBe(path))

  it.each([undefined, '', 'https://evil.example', '//evil.example', '/\\evil.example', 'checkout', '/\t/evil.example'])(
    'does not go on to %j',
    path => expect(localPath(path)).toBeNull(),
  )
})
