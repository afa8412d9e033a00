import type { MasterInfo } from '../../../proto/mesos/generated/messages.ts';
import { version } from './version.ts';

export function masterInfo(id: string, host: string, port: number): MasterInfo {
  const [a = 0, b = 0, c = 0, d = 0] = host.split('.').map(Number);
  return {
    id,
    // Mesos writes the address in network order into a native integer.
    ip: (d * 2 ** 24 + c * 2 ** 16 + b * 2 ** 8 + a) >>> 0,
    port,
    pid: `master@${host}:${port}`,
    hostname: host,
    version,
    address: { hostname: host, ip: host, port },
    capabilities: [{ type: 'AGENT_UPDATE' }, { type: 'AGENT_DRAINING' }, { type: 'QUOTA_V2' }],
  };
}
