// A comparison as a process: its options are the one argument, as JSON.
import { diffCapability } from '../diff/diff-capability.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import type { DiffChildOptions } from './diff-child.ts'

const options: DiffChildOptions = JSON.parse(process.argv[2] ?? '{}')
await diffCapability({ ...options, sync: parseSync(options.sync) })
