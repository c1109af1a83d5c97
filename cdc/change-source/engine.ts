import type { CdcConfig } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { ChangeSourceFactory } from './change-source.ts'
import { PostgresSource } from './postgres/postgres-source.ts'

/** The engine that the config names. Nothing but this knows which there are. */
export function chooseEngine(cdc: CdcConfig): ChangeSourceFactory {
  if (cdc.engine === 'postgres') return options => new PostgresSource(options)
  throw new FicusError('FICUS_COMPONENT_MISSING', `this build has no ${cdc.engine} engine`)
}
