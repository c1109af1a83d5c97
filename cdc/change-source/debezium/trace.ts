const LONGEST = 600

/**
 * What a Java stack trace says: the error on top and what caused it in the end. Frames and the steps between are for
 * Kafka Connect's log.
 */
export function shortTrace(trace: string): string {
  const lines = trace.split('\n').map(line => line.trim())
  const causes = lines.filter(line => line.startsWith('Caused by: ')).map(line => line.slice('Caused by: '.length))
  const told = [lines[0] ?? '', causes.at(-1) ?? ''].filter(line => line !== '').map(withoutPackage)
  const text = [...new Set(told)].join(' <- ')
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}

/** `org.postgresql.util.PSQLException: FATAL: …` -> `PSQLException: FATAL: …` */
function withoutPackage(line: string): string {
  return line.replace(/^(?:[a-z_][\w]*\.)+(?=[A-Z])/, '')
}
