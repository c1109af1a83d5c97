import { fileURLToPath } from 'node:url'

/** The repository's folder. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Where everything lies that is not in the repository: data, logs, downloads. May be removed at any time. */
export const STATE_DIR = `${ROOT}.ficus`
