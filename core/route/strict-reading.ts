/**
 * A request's path as routes are matched with it: UTF-8 escapes are decoded, except those of reserved characters (`%2F`,
 * `%3B` and so on) and of `%` itself, which keeps a doubly encoded path from being decoded twice. That much RFC 3986
 * section 6.2.2 calls equivalent. Bytes that are not UTF-8 stay as they are: old applications have them.
 */
export function strictReading(path: string): string {
  return path.replace(/(?:%(?!25)[0-9a-f]{2})+/gi, escapes => {
    try {
      return decodeURI(escapes)
    } catch {
      return escapes.replace(/%[2-7][0-9a-f]/gi, ascii => decodeURI(ascii))
    }
  })
}
