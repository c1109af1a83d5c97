import type { Row } from './copy.ts'
import { createRandom } from './random.ts'
import { DAY, END_OF_HISTORY, timestamp } from './timeline.ts'
import { CITIES, FIRST_NAMES, LAST_NAMES, STREETS } from './words.ts'

/** These two exist after every seed. */
export const ADMIN = { id: 1, email: 'admin@shop.example', name: 'Mara Brandt', password: 'admin' }
export const ADA = { id: 2, email: 'ada@shop.example', name: 'Ada Larsen', password: 'shop' }

export interface GeneratedCustomer {
  readonly row: Row
  /** A row of `addresses`: everybody has one, with the customer's id. */
  readonly address: Row
  /** As an order keeps it. */
  readonly shippingAddress: { readonly [key: string]: string }
}

/**
 * @param hashes of the administrator's password, and of the one that everybody else has: a hash for each would take
 *   longer than all the rest.
 */
export function* customers(
  seed: number,
  count: number,
  hashes: { readonly admin: string; readonly everybody: string },
): Generator<GeneratedCustomer> {
  const random = createRandom(seed, 'customers')
  for (let id = 1; id <= count; id++) {
    const first = random.pick(FIRST_NAMES)
    const last = random.pick(LAST_NAMES)
    const known = [ADMIN, ADA].find(person => person.id === id)
    const name = known?.name ?? `${first} ${last}`
    const email = known?.email ?? `${asciiOf(first)}.${asciiOf(last)}.${id}@mail.example`
    const [city, country, area] = random.pick(CITIES)
    const street = `${random.pick(STREETS)} ${random.integer(1, 140)}`
    const postcode = `${area}${String(random.integer(0, 999)).padStart(3, '0')}`
    const createdAt = END_OF_HISTORY - 5 * 365 * DAY + (id / count) * 3 * 365 * DAY + random.next() * DAY
    const deleted = known === undefined && random.chance(0.01)
    const shippingAddress = { recipient: name, street, postcode, city, country }
    yield {
      row: {
        id,
        email,
        name,
        password_hash: known === ADMIN ? hashes.admin : hashes.everybody,
        locale: random.pick(['en', 'de', 'de', 'fr']),
        phone: random.chance(0.6) ? `+49 30 ${random.integer(1_000_000, 9_999_999)}` : null,
        is_admin: known === ADMIN,
        preferences: { newsletter: random.chance(0.3), ...(random.chance(0.2) && { theme: 'dark' }) },
        created_at: timestamp(createdAt),
        deleted_at: deleted ? timestamp(createdAt + 400 * DAY) : null,
      },
      address: { id, customer_id: id, label: 'home', ...shippingAddress, is_default: true },
      shippingAddress,
    }
  }
}

function asciiOf(name: string): string {
  return name
    .toLowerCase()
    .normalize('NFD')
    .replace(/ø/g, 'o')
    .replace(/ı/g, 'i')
    .replace(/[^a-z]/g, '')
}
