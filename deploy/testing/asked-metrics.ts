import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { ROOT } from '../native/state-dir.ts'

export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly annotations: { readonly summary: string }
}

/** The rules of deploy/prometheus/alerts.yml. */
export function alertRules(): AlertRule[] {
  const text = readFileSync(join(ROOT, 'deploy/prometheus/alerts.yml'), 'utf8')
  const { groups }: { groups: { rules: AlertRule[] }[] } = parse(text)
  return groups.flatMap(({ rules }) => rules)
}

/**
 * What the alerts ask for that `exported` lacks, as `metric{label, …}`: metrics of this prefix, with the labels that their rule names
 * in a matcher, a `by` or `on`, or its summary.
 * @param exported what `/metrics` answered.
 */
export function lackingMetrics(prefix: string, exported: string): string[] {
  const series = exported.split('\n').filter(line => !line.startsWith('#'))
  return alertRules()
    .flatMap(rule => askedOf(rule).filter(({ metric }) => metric.startsWith(prefix)))
    .filter(({ metric, labels }) => !series.some(line => hasLabels(line, metric, labels)))
    .map(({ metric, labels }) => `${metric}{${labels.join(', ')}}`)
}

function askedOf({ expr, annotations: { summary } }: AlertRule): { metric: string; labels: string[] }[] {
  const grouped = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '))
  const shown = [...summary.matchAll(/\$labels\.(\w+)/g)].flatMap(([, label = '']) => label)
  // Prometheus adds these itself.
  const common = [...grouped, ...shown].filter(label => label !== 'instance' && label !== 'job')
  return [...expr.matchAll(/\b(ficus_\w+)(?:\{([^}]*)\})?/g)].map(([, metric = '', matchers = '']) => {
    const matched = [...matchers.matchAll(/(\w+)(?:=~|!=|=)/g)].flatMap(([, label = '']) => label)
    return { metric, labels: [...new Set([...matched, ...common])] }
  })
}

function hasLabels(line: string, metric: string, labels: readonly string[]): boolean {
  const name = /^\w+/.exec(line)?.[0]
  return name === metric && labels.every(label => new RegExp(`[{,]${label}="`).test(line))
}
