// A container's health check: exits 0 when the address answers 2xx, 1 when it does not.
//
//   node deploy/health.mjs http://127.0.0.1:7100/ready
const [, , url] = process.argv
try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(3_000) })
  if (!answer.ok) throw new Error(`it answers ${answer.status}: ${await answer.text()}`)
} catch (error) {
  console.error(`${url}: ${error.cause?.message ?? error.message}`)
  process.exitCode = 1
}
