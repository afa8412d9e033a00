import { describe, expect, it } from 'vitest';
import type { Task } from '../../../../api/v1/task.ts';
import {
  agentNetworks,
  hasNetwork,
  networksGained,
  SeenNetworks,
} from '../../../../controllers/network/agent-networks.ts';
import { waitingTask, withStatus } from './claim-objects.ts';

describe('an agent', () => {
  it('has the networks that its attribute lists, may have others, and says how it is known', () => {
    const known = agentNetworks({ cni_networks: 'dev-net, data-net' }, ['edge-net', 'dev-net'], []);
    expect(['dev-net', 'data-net', 'edge-net', 'x'].map((name) => hasNetwork(known, name))).toEqual(
      ['Yes', 'Yes', 'Yes', 'Unknown'],
    );
    expect([...known.has].sort()).toEqual([
      ['data-net', 'Attribute'],
      ['dev-net', 'Attribute'],
      ['edge-net', 'Launch'],
    ]);
    expect(hasNetwork(agentNetworks({ cni_networks: '{a,b}' }, [], []), 'b')).toBe('Yes');
    expect(hasNetwork(agentNetworks({}, [], []), 'dev-net')).toBe('Unknown');
  });

  it('has no others if operators say so, but for what was seen there', () => {
    const attributes = { cni_networks: 'dev-net', cni_networks_complete: 'true' };
    const known = agentNetworks(attributes, ['edge-net'], []);
    expect(['dev-net', 'edge-net', 'x'].map((name) => hasNetwork(known, name))).toEqual([
      'Yes',
      'Yes',
      'No',
    ]);
    const none = agentNetworks({ cni_networks: '', cni_networks_complete: 'true' }, [], []);
    expect(hasNetwork(none, 'x')).toBe('No');
    const nothingSaid = agentNetworks({ cni_networks_complete: 'true' }, [], []);
    expect(hasNetwork(nothingSaid, 'x')).toBe('Unknown');
  });

  it('lacks what a launch has found missing, whatever else is known', () => {
    const known = agentNetworks({ cni_networks: 'dev-net' }, ['dev-net'], ['dev-net']);
    expect(hasNetwork(known, 'dev-net')).toBe('No');
  });
});

describe('an address', () => {
  const having = (...names: string[]): Task =>
    withStatus(waitingTask('a', 'web', {}), {
      networks: names.map((name) => ({
        name,
        cniName: `cni-${name}`,
        interface: 'eth0',
        ips: ['10.0.0.5'],
        verdict: 'Assigned',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      })),
    });

  it('is news when it comes, not when a task that has it changes', () => {
    expect(networksGained(having('a', 'b'), undefined)).toEqual(['cni-a', 'cni-b']);
    expect(networksGained(having('a', 'b'), having('a'))).toEqual(['cni-b']);
    expect(networksGained(having('a'), having('a'))).toEqual([]);
    expect(networksGained(waitingTask('a', 'web', {}), having('a'))).toEqual([]);
  });

  it('is remembered by agent, until a launch there misses the network or the agent goes', () => {
    const seen = new SeenNetworks();
    expect([seen.add('S1', 'a'), seen.add('S1', 'a'), seen.add('S2', 'a')]).toEqual([
      true,
      false,
      true,
    ]);
    seen.add('S1', 'b');
    seen.remove('S1', 'a');
    expect([[...seen.of('S1')], [...seen.of('S2')]]).toEqual([['b'], ['a']]);
    seen.forget('S1');
    expect(seen.of('S1').size).toBe(0);
  });
});
