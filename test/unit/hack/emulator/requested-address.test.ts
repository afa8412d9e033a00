import { describe, expect, it } from 'vitest';
import { SimulatedNetworks } from '../../../../hack/emulator/agent/simulated/networks.ts';

describe('a simulated network', () => {
  it('that honours requests gives the address that is asked for, once at a time', () => {
    const network = { ipv4: '10.0.0.10', capacity: 4, honoursRequests: true };
    const networks = new SimulatedNetworks({ 'static-net': network });
    const lease = networks.lease('static-net', ['fd00::1', '10.0.0.12']);
    expect(lease?.ipv4).toBe('10.0.0.12');
    expect(networks.lease('static-net', ['10.0.0.12'])).toBeUndefined();
    expect(networks.lease('static-net', ['10.0.0.14'])).toBeUndefined();
    const others = [1, 2, 3].map(() => networks.lease('static-net')?.ipv4);
    expect(others).toEqual(['10.0.0.10', '10.0.0.11', '10.0.0.13']);
    lease?.release();
    expect(networks.lease('static-net', ['10.0.0.12'])?.ipv4).toBe('10.0.0.12');
  });

  it('that does not gives the next, whatever is asked for', () => {
    const networks = new SimulatedNetworks({ 'dev-net': { ipv4: '10.0.0.10' } });
    expect(networks.lease('dev-net', ['10.0.0.12'])?.ipv4).toBe('10.0.0.10');
  });
});
