// A comparison as a process: its options are the one argument, as JSON; it prints what it found of each table, as JSON.
import { diffCapability } from '../diff/diff-capability.ts'
import { loadSync, parseSync } from '../mapping/parse-sync.ts'
import type { DiffChildOptions } from './diff-child.ts'

const options: DiffChildOptions = JSON.parse(process.argv[2] ?? '{}')
const sync = typeof options.sync === 'string' ? await loadSync(options.sync) : parseSync(options.sync)
const { tables } = await diffCapability({ ...options, sync })
process.stdout.write(JSON.stringify(tables))
