import { accessSync, constants } from 'node:fs';
import type { EmulatorConfig } from '../emulator/config.ts';

/** Real processes on real networks need root and the CNI plugins. */
export function possibleMode(): EmulatorConfig['mode'] {
  if (process.getuid?.() !== 0) return 'simulated';
  try {
    accessSync('/usr/lib/cni/bridge', constants.X_OK);
    return 'process';
  } catch {
    return 'simulated';
  }
}
