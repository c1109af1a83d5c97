#!/usr/bin/env node
// `npx ficus …`: hands over to the Node that this project pins, since the system's may be older.
process.argv.splice(2, 0, 'control/main.ts')
await import('../../setup.mjs')
