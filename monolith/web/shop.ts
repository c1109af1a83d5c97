import type { Knex } from 'knex'
import type { Sessions } from '../accounts/sessions.ts'
import type { Pages } from './pages.ts'

/** What the routes share. */
export interface Shop {
  readonly db: Knex
  readonly sessions: Sessions
  readonly pages: Pages
}
