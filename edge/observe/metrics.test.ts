import { lackingMetrics } from '@ficus/deploy/testing/asked-metrics'
import { expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startNamed, startUpstream } from '../testing/upstream.ts'
import { send } from '../testing/wire.ts'

it('counts requests by capability, side, reason, route and status', async () => {
  await using monolith = await startNamed('monolith')
  await using service = await startUpstream((_request, response) => void response.writeHead(500).end())
  await using edge = await startEdge({ monolith: monolith.url, service: service.url, dials: { read: 100 } })
  await send(`${edge.url}/other`)
  await send(`${edge.url}/items/1`)
  await send(`${edge.url}/items/2`)
  await send(`${edge.url}/items`, { method: 'POST', body: '{}' })
  await send(`${edge.url}/items/..%2f1`)

  const { text, headers } = await send(`${edge.managementUrl}/metrics`)

  expect(headers['content-type']).toContain('text/plain')
  const lines = text.split('\n').filter(line => /^ficus_edge_(requests|refused|phase|in_flight)/.test(line))
  expect(lines.toSorted()).toEqual([
    'ficus_edge_in_flight 0',
    'ficus_edge_phase{capability="catalog"} 3',
    'ficus_edge_refused_total{code="FICUS_REQUEST_INVALID"} 1',
    'ficus_edge_requests_total{capability="-",route="*",side="monolith",reason="unmatched",status="2xx"} 1',
    'ficus_edge_requests_total{capability="catalog",route="GET /items/:id",side="service",reason="dial",status="5xx"} 2',
    'ficus_edge_requests_total{capability="catalog",route="POST /items",side="monolith",reason="owner",status="2xx"} 1',
  ])
  // Only a mirrored request counts as one.
  expect(new Set(lackingMetrics('ficus_edge_', text))).toEqual(
    new Set(['ficus_edge_shadow_total{result, capability, route}', 'ficus_edge_shadow_total{capability, route}']),
  )
  expect(text).toContain('ficus_edge_upstream_seconds_count{capability="catalog",side="service"} 2')
  expect(text).toMatch(/ficus_edge_upstream_seconds_bucket\{capability="catalog",side="service",le="\+Inf"\} 2/)
})

it('tells its state on the management listener alone', async () => {
  await using monolith = await startNamed('monolith')
  await using edge = await startEdge({ monolith: monolith.url })
  expect(JSON.parse((await send(`${edge.managementUrl}/health`)).text)).toEqual({ status: 'ok' })
  expect(JSON.parse((await send(`${edge.managementUrl}/ready`)).text)).toMatchObject({
    ready: true,
    degraded: [],
    ledger: { origin: 'ledger', error: null },
    flags: { provider: 'file', error: null },
    capabilities: { catalog: { phase: 'canary', owner: 'monolith', epoch: 1 } },
  })
  for (const path of ['/ready', '/metrics', '/health']) {
    expect((await send(edge.url + path)).text).toBe('{"name":"monolith"}')
  }
})
