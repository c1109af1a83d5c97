/** Markup that is safe to send: only `html` and `raw` make it. */
export class Html {
  readonly markup: string

  constructor(markup: string) {
    this.markup = markup
  }

  toString(): string {
    return this.markup
  }
}

/** What a template takes: text and numbers are escaped, lists are joined, null, undefined and false leave nothing. */
export type Content = Html | string | number | null | undefined | false | readonly Content[]

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function render(content: Content): string {
  if (content === null || content === undefined || content === false) return ''
  if (content instanceof Html) return content.markup
  if (typeof content === 'object') return content.map(render).join('')
  return String(content).replace(/[&<>"']/g, character => ENTITIES[character] ?? '')
}

/** Builds markup: everything between `${}` is escaped unless it is markup itself. Attribute values must be quoted. */
export function html(strings: TemplateStringsArray, ...values: Content[]): Html {
  return new Html(strings.reduce((markup, string, index) => markup + render(values[index - 1]) + string))
}

/** Trusts `markup` as it is: for what this program wrote itself, never for what a person typed. */
export function raw(markup: string): Html {
  return new Html(markup)
}
