import { describe, expect, it } from 'vitest';
import { agentNetworks } from '../../../../controllers/network/agent-networks.ts';
import { place } from '../../../../controllers/scheduler/placement.ts';
import { cniNameOf, hosts, offer, resources, waiting } from './offers.ts';

describe('placement on networks', () => {
  it('passes by agents that lack networks, which it names, or are unschedulable', () => {
    const tasks = [waiting('a', { networks: [{ name: 'dev-net' }, { name: 'data-net' }] })];
    const lacking = (...names: string[]) => ({ networks: agentNetworks({}, [], names) });
    const offers = [
      offer('y', { unschedulable: true }),
      ...['v', 'u', 'x', 'w'].map((name) => offer(name, lacking('cni-dev-net'))),
      offer('z', lacking('cni-dev-net', 'cni-data-net')),
    ];
    const { unplaced } = place({ tasks, offers, placed: [], cniNameOf });
    expect(unplaced[0]?.message).toBe(
      '0 of 6 offered agents fit: 4 without network dev-net (u, v, w and others), 1 unschedulable, 1 without networks dev-net and data-net (z)',
    );
  });

  it('prefers an agent that is known to have the networks to a larger one, but spreads first', () => {
    const tasks = ['a', 'b'].map((name) => waiting(name, { networks: [{ name: 'dev-net' }] }));
    const known = { networks: agentNetworks({}, ['cni-dev-net'], []), resources: resources(1) };
    const offers = [offer('x', { resources: resources(8) }), offer('y', known)];
    const { placements } = place({ tasks, offers, placed: [], cniNameOf });
    expect(hosts(placements)).toEqual(['y', 'x']);
  });

  it('takes an agent whose list is complete at its word', () => {
    const attributes = { cni_networks: 'cni-data-net', cni_networks_complete: 'true' };
    const listed = { networks: agentNetworks(attributes, [], []) };
    const on = (network: string) =>
      place({
        tasks: [waiting('a', { networks: [{ name: network }] })],
        offers: [offer('x', listed)],
        placed: [],
        cniNameOf,
      });
    expect(hosts(on('data-net').placements)).toEqual(['x']);
    expect(on('dev-net').unplaced[0]?.message).toMatch(/1 without network dev-net \(x\)$/);
  });
});
