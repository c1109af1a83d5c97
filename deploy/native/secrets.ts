import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'

/** Passwords and tokens, under the names that docker-compose.yml reads from the environment. */
export interface Secrets {
  readonly POSTGRES_PASSWORD: string
  readonly UNLEASH_ADMIN_TOKEN: string
  readonly UNLEASH_BACKEND_TOKEN: string
}

/**
 * The secrets that the servers in `dir` were made with: kept in `secrets.env` there, readable by its owner only. Missing
 * ones come from the environment, or are random.
 */
export async function readSecrets(dir: string, env: NodeJS.ProcessEnv): Promise<Secrets> {
  const file = join(dir, 'secrets.env')
  const kept = parseEnv(await readFile(file, 'utf8').catch(() => ''))
  const pick = (name: keyof Secrets, prefix = '') => {
    return kept[name] || env[name] || `${prefix}${randomBytes(16).toString('hex')}`
  }
  const secrets: Secrets = {
    POSTGRES_PASSWORD: pick('POSTGRES_PASSWORD'),
    UNLEASH_ADMIN_TOKEN: pick('UNLEASH_ADMIN_TOKEN', '*:*.'),
    UNLEASH_BACKEND_TOKEN: pick('UNLEASH_BACKEND_TOKEN', '*:development.'),
  }
  const lines = Object.entries(secrets).map(([name, value]) => `${name}=${value}\n`)
  await mkdir(dir, { recursive: true })
  await writeFile(file, lines.join(''), { mode: 0o600 })
  return secrets
}
