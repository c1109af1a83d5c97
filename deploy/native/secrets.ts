/** Passwords and tokens, under the names that docker-compose.yml reads from the environment. */
export interface Secrets {
  readonly POSTGRES_PASSWORD: string
  readonly UNLEASH_ADMIN_TOKEN: string
  readonly UNLEASH_BACKEND_TOKEN: string
}

/**
 * Known to everybody, which is why only servers on 127.0.0.1 may have them: the same that a config falls back to, so
 * that a stack and a config that nobody has configured find each other.
 */
export const LOCAL_SECRETS: Secrets = {
  POSTGRES_PASSWORD: 'ficus',
  UNLEASH_ADMIN_TOKEN: '*:*.ficus-local-admin',
  UNLEASH_BACKEND_TOKEN: '*:development.ficus-local-backend',
}

/** The environment's secrets, and the local ones where it has none. */
export function readSecrets(env: Readonly<Record<string, string | undefined>>): Secrets {
  return {
    POSTGRES_PASSWORD: env.POSTGRES_PASSWORD || LOCAL_SECRETS.POSTGRES_PASSWORD,
    UNLEASH_ADMIN_TOKEN: env.UNLEASH_ADMIN_TOKEN || LOCAL_SECRETS.UNLEASH_ADMIN_TOKEN,
    UNLEASH_BACKEND_TOKEN: env.UNLEASH_BACKEND_TOKEN || LOCAL_SECRETS.UNLEASH_BACKEND_TOKEN,
  }
}
