import { writeFile } from 'node:fs/promises'
import { ERROR_CODES } from './codes.ts'
import { renderErrorsPage } from './errors-page.ts'

await writeFile(new URL('../../docs/errors.md', import.meta.url), renderErrorsPage(ERROR_CODES))
