import pc from 'picocolors'

export type Colours = ReturnType<typeof pc.createColors>

/** Colours where the stream is a terminal and NO_COLOR is not set; plain text in files and pipes, in CI as well. */
export function coloursFor(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): Colours {
  return pc.createColors(stream.isTTY === true && !env.NO_COLOR)
}
