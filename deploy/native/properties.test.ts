import { expect, it } from 'vitest'
import { overrideProperties } from './properties.ts'

it('puts what differs after the shared lines, where Java takes it, and names the shared file', () => {
  const lines = overrideProperties('port=9092\nnode.id=1\n', 'deploy/x.properties', { port: '1234' }).split('\n')
  expect(lines[0]).toContain('deploy/x.properties')
  expect(lines.filter(line => line.startsWith('port='))).toEqual(['port=9092', 'port=1234'])
  expect(lines).toContain('node.id=1')
})
