import { FicusError } from '@ficus/core/errors/ficus-error'
import { z } from 'zod'

/** What a provider must have done before an interaction's request: `a product exists` with `{ id: 7 }`. */
export interface ProviderState {
  readonly name: string
  readonly params: Readonly<Record<string, unknown>>
}

/** One request and the answer that a consumer relies on. */
export interface Interaction {
  readonly description: string
  readonly states: readonly ProviderState[]
  /** Upper case. */
  readonly method: string
  /** The example's path, without its query. */
  readonly path: string
  /** As it stands in the file, with the answer, its matchers and its generators. */
  readonly source: Readonly<Record<string, unknown>>
}

/** A consumer's pact with one provider, as far as it is spoken over HTTP. */
export interface Pact {
  readonly consumer: string
  readonly provider: string
  /** The Pact specification's version that the file follows, such as `3.0.0` or `4.0`. */
  readonly specification: string
  readonly interactions: readonly Interaction[]
  /** Interactions of other kinds (messages, plugins), which no HTTP route can own. */
  readonly messages: number
}

const OVER_HTTP = 'Synchronous/HTTP'

const PARTY = z.looseObject({ name: z.string().min(1) })

const INTERACTION = z.looseObject({
  description: z.string(),
  /** Version 4 says what kind an interaction is; before it, all are requests over HTTP. */
  type: z.string().optional(),
  /** Versions 1 and 2 know one state, by name alone. */
  providerState: z.string().nullish(),
  providerStates: z
    .array(z.looseObject({ name: z.string(), params: z.record(z.string(), z.unknown()).nullish() }))
    .nullish(),
})

const REQUEST = z.looseObject({ method: z.string().default('GET'), path: z.string().startsWith('/').default('/') })

const PACT = z.looseObject({
  consumer: PARTY,
  provider: PARTY,
  interactions: z.array(INTERACTION).default([]),
  /** Version 3 keeps messages apart. */
  messages: z.array(z.unknown()).default([]),
  metadata: z
    .looseObject({ pactSpecification: z.looseObject({ version: z.string() }) })
    .default({ pactSpecification: { version: '2.0.0' } }),
})

/**
 * Reads a pact file's text, version 1 to 4 of the Pact specification
 * (https://github.com/pact-foundation/pact-specification).
 * @param file names the file in errors.
 * @throws FICUS_PACT_MISSING when it is no pact; the message names the file and the place in it.
 */
export function parsePact(text: string, file: string): Pact {
  const parsed = PACT.safeParse(parseJson(text, file))
  if (!parsed.success) throw notAPact(file, z.prettifyError(parsed.error))
  const { consumer, provider, interactions, messages, metadata } = parsed.data
  const overHttp = interactions.filter(({ type = OVER_HTTP }) => type === OVER_HTTP)
  return {
    consumer: consumer.name,
    provider: provider.name,
    specification: metadata.pactSpecification.version,
    interactions: overHttp.map(source => readInteraction(source, file)),
    messages: messages.length + interactions.length - overHttp.length,
  }
}

function readInteraction(source: z.output<typeof INTERACTION>, file: string): Interaction {
  const request = REQUEST.safeParse(source.request)
  if (!request.success) {
    throw notAPact(file, `the request of ${JSON.stringify(source.description)}: ${z.prettifyError(request.error)}`)
  }
  const [path = '/'] = request.data.path.split('?')
  return {
    description: source.description,
    states: readStates(source),
    method: request.data.method.toUpperCase(),
    path,
    source,
  }
}

function readStates({ providerState, providerStates }: z.output<typeof INTERACTION>): ProviderState[] {
  if (providerStates != null) return providerStates.map(({ name, params }) => ({ name, params: params ?? {} }))
  return providerState == null || providerState === '' ? [] : [{ name: providerState, params: {} }]
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw notAPact(file, error instanceof Error ? error.message : String(error))
  }
}

function notAPact(file: string, why: string): FicusError {
  return new FicusError('FICUS_PACT_MISSING', `${file} is not a pact file: ${why}`, {
    remedy: 'Delete the file and run the consumer’s tests to write it anew, or move it out of `contracts.pacts`.',
  })
}
