import { describe, expect, it } from 'vitest'
import { html, raw } from './html.ts'

describe('html', () => {
  it('escapes what a person typed, in text and in attributes', () => {
    const name = `<script>alert("x")</script> & 'y'`
    expect(html`<p title="${name}">${name}</p>`.markup).toBe(
      '<p title="&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39;">' +
        '&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39;</p>',
    )
  })

  it('keeps markup, joins lists and leaves out what is absent', () => {
    const items = ['a', 'b'].map(item => html`<li>${item}</li>`)
    expect(html`<ul>${items}${null}${undefined}${false}${0}</ul>${raw('<hr>')}`.markup).toBe(
      '<ul><li>a</li><li>b</li>0</ul><hr>',
    )
  })
})
