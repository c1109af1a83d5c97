import type { ClientFeaturesResponse } from 'unleash-client'
import { FicusError, messageOf } from '../errors/ficus-error.ts'
import { readFlagFile, writeWhole } from './flag-file.ts'
import { isClientFeatures } from './unleash-repository.ts'

/** The flags that an earlier process read last, for a start while the flag server is down (invariant 12). */
export interface FlagBackup {
  /** Which server they are from; those of another one are not used. */
  readonly url: string
  readonly synchronizedAt: Date
  readonly flags: ClientFeaturesResponse
}

/** Null where there is none, or only one of another server. @throws FICUS_FLAGS_INVALID where it cannot be understood. */
export async function readBackup(path: string, url: string): Promise<FlagBackup | null> {
  const text = await readFlagFile(path)
  if (text === null) return null
  const broken = (why: string, cause?: unknown) =>
    new FicusError('FICUS_FLAGS_INVALID', `the backup of the flags ${path} ${why}`, {
      cause,
      remedy: 'Delete it; it is written anew when the flag server answers.',
    })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw broken(`is not JSON: ${messageOf(error)}`, error)
  }
  if (typeof value !== 'object' || value === null || !('url' in value) || !('flags' in value)) throw broken('is empty')
  if (value.url !== url) return null
  if (!isClientFeatures(value.flags) || !('synchronizedAt' in value)) throw broken('holds no flags')
  return { url, synchronizedAt: new Date(String(value.synchronizedAt)), flags: value.flags }
}

export async function writeBackup(path: string, backup: FlagBackup): Promise<void> {
  await writeWhole(path, JSON.stringify(backup))
}
