// Runs inside the child process that unleash.ts starts: the server reads all its settings from the environment.
import { start } from 'unleash-server'
import { READY_LINE } from './unleash-ready.ts'

await start()
console.log(READY_LINE)
