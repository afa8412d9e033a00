import { describe, expect, it } from 'vitest';
import type { ServerSetSpec } from '../../../../api/v1/serverset.ts';
import { network, serverSet, task } from './objects.ts';
import { bodyOf, later, node, plan, stop, touched } from './plans.ts';

const running = task();
const member = node(3, bodyOf(running));

describe('a set that asks for what its tasks do not have yet', () => {
  const wishes: [string, Partial<ServerSetSpec>][] = [
    ['another network', { network: 'x-net' }],
    ['a family that they have no address of', { family: 'IPv6' }],
    ['another port', { primaryPort: 'grpc' }],
  ];
  it.each(wishes)('keeps their members as they are: %s', (_, spec) => {
    const made = plan({ tasks: [running], nodes: [member], set: serverSet({ spec }) });
    expect(made).toMatchObject({ former: [{ node: member, task: running }], kept: [{}] });
    expect(touched(made)).toEqual([]);
    expect(made.create).toEqual([]);
  });

  const set = serverSet({ spec: { network: 'x-net' } });

  it('keeps one of the network of an agent when a CNI network is asked for', () => {
    const ports = [{ name: 'http', hostPort: 0 }];
    const onAgent = task({
      spec: { networks: [], containers: [{ name: 'main', script: 'exec serve', ports }] },
      status: { networks: [], ports: [{ name: 'http', hostPort: 31_000 }] },
    });
    const { network: none, ...spec } = serverSet().spec;
    expect(none).toBe('dev-net');
    const [first] = plan({ set: { ...set, spec }, tasks: [onAgent], nodes: [] }).create;
    const nodes = [node(3, first?.body ?? '')];
    expect(nodes[0]!.body).toContain('"host":"agent1.example","port":31000');
    const made = plan({ tasks: [onAgent], nodes, set });
    expect(made.former).toHaveLength(1);
    expect(touched(made)).toEqual([]);
  });

  it('creates no members for them', () => {
    expect(plan({ tasks: [running], nodes: [], set })).toMatchObject({ create: [], former: [] });
  });

  it('keeps them on a path that it leaves, while they cannot be on the new one', () => {
    const made = plan({ tasks: [running], nodes: [member], set, mode: 'leave' });
    expect(made.former).toHaveLength(1);
    expect(touched(made)).toEqual([]);
  });

  it('drains one that is to stop where it was reached', () => {
    const made = plan({ tasks: [task({ spec: stop })], nodes: [member], set });
    expect(made.withdraw).toEqual([{ node: member, body: bodyOf(running, later) }]);
    expect(made).toMatchObject({ remove: [], wakeAfterMs: 5000 });
  });

  it('removes the member of a run that has what it asks for a replacement of', () => {
    const networks = [network('x-net', ['172.30.0.9'])];
    const replacement = task({
      uid: 'uid-b',
      createdAt: '2026-01-02T00:00:00Z',
      spec: { networks: [{ name: 'x-net' }] },
      status: { networks },
    });
    const made = plan({ tasks: [running, replacement], nodes: [member], set });
    expect(made.remove).toEqual([{ node: member, cause: 'Superseded' }]);
    expect(made.create).toMatchObject([{ member: { task: replacement } }]);
  });

  it('mends what somebody wrote beside the address', () => {
    const edited = node(3, bodyOf(running).replace('"shard":0', '"shard":7'));
    const made = plan({ tasks: [running], nodes: [edited], set });
    expect(made.update).toMatchObject([{ node: edited, body: bodyOf(running) }]);
  });

  it('keeps no endpoint that the task does not have', () => {
    const edited = node(
      3,
      bodyOf(running).replace('"172.29.12.10","port":8080', '"10.9.9.9","port":8080'),
    );
    const [update] = plan({ tasks: [running], nodes: [edited], set }).update;
    expect(update?.body).not.toContain('10.9.9.9');
    expect(update?.body).toContain('172.29.11.10');
  });
});
