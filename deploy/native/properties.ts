/**
 * A Java properties file with some values replaced, and said so: of two lines with one key, Java takes the later.
 *
 * @param source names the file, for whoever reads the result.
 */
export function overrideProperties(text: string, source: string, overrides: Readonly<Record<string, string>>): string {
  const lines = Object.entries(overrides).map(([key, value]) => `${key}=${value}`)
  return `# Generated at each start: ${source}, and at its end what differs here.\n${text}\n# What differs here:\n${lines.join('\n')}\n`
}
