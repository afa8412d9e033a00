import type { VersionInfo } from '../../../proto/mesos/generated/messages.ts';

/** The version whose behaviour is emulated, marked as what it is. */
export const version = '1.12.0';

export const versionInfo: VersionInfo = {
  version,
  build_date: '2026-11-21 17:00:00 UTC',
  build_time: 1795280000,
  build_user: 'mesocosm-emulator',
};
