import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Task } from '../../../../api/v1/task.ts';
import { argvWithDiscovery, discoveryPrelude } from '../../../../controllers/network/discovery.ts';
import { place, type Placement } from '../../../../controllers/scheduler/placement.ts';
import type { Resource } from '../../../../proto/mesos/generated/messages.ts';
import { cniNameOf, hosts, launchOf, offer, resources, waiting } from './offers.ts';

function scalar(placement: Placement, name: string): number {
  const all = [...placement.executor, ...[...placement.containers.values()].flat()];
  return (
    all.reduce(
      (sum, one) => sum + Math.round((one.name === name ? (one.scalar?.value ?? 0) : 0) * 1000),
      0,
    ) / 1000
  );
}

function portsOf(placement: Placement): number[] {
  return [...placement.containers.values()].flat().flatMap((one) => {
    const ranges = one.name === 'ports' ? (one.ranges?.range ?? []) : [];
    return ranges.flatMap(({ begin, end }) =>
      Array.from({ length: end - begin + 1 }, (_, i) => begin + i),
    );
  });
}

describe('placement', () => {
  it('spreads the tasks of a job over the agents', () => {
    const tasks = ['a', 'b', 'c'].map((name) => waiting(name));
    const { placements } = place({
      tasks,
      offers: [offer('x'), offer('y'), offer('z')],
      placed: [],
      cniNameOf,
    });
    expect(hosts(placements).sort()).toEqual(['x', 'y', 'z']);
  });

  it('says why nothing fits', () => {
    const tasks = [
      waiting('a', { constraints: [{ attribute: 'rack', operator: 'Equals', values: ['r1'] }] }),
    ];
    const offers = [
      offer('x', { attributes: { rack: 'r2' } }),
      offer('y'),
      offer('z', { attributes: { rack: 'r1' }, resources: resources(0.05) }),
    ];
    const { unplaced } = place({ tasks, offers, placed: [], cniNameOf });
    expect(unplaced[0]?.message).toBe(
      '0 of 3 offered agents fit: 1 rack is not r1, 1 without attribute rack, 1 short of cpus',
    );
  });

  it('keeps Unique against what runs and what it has just placed', () => {
    const constraints = [{ attribute: 'hostname', operator: 'Unique' as const }];
    const tasks = [waiting('a', { constraints }), waiting('b', { constraints })];
    const running = { job: 'prod/web', agent: { agentId: 'S-x', hostname: 'x', attributes: {} } };
    const result = place({ tasks, offers: [offer('x'), offer('y')], placed: [running], cniNameOf });
    expect(hosts(result.placements)).toEqual(['y']);
    expect(result.unplaced).toHaveLength(1);
  });

  it('does not count tasks of other jobs for Unique', () => {
    const tasks = [waiting('a', { constraints: [{ attribute: 'hostname', operator: 'Unique' }] })];
    const other = { job: 'prod/api', agent: { agentId: 'S-x', hostname: 'x', attributes: {} } };
    expect(
      place({ tasks, offers: [offer('x')], placed: [other], cniNameOf }).placements,
    ).toHaveLength(1);
  });

  it('takes fixed host ports exactly and others from the offer', () => {
    const tasks = [
      waiting('a', {
        containers: [
          {
            name: 'web',
            script: 'x',
            resources: { requests: { cpu: '100m', memory: '32Mi' } },
            ports: [
              { name: 'http', hostPort: 31005 },
              { name: 'admin', hostPort: 0 },
            ],
          },
        ],
      }),
      waiting('b', {
        containers: [
          {
            name: 'web',
            script: 'x',
            resources: { requests: { cpu: '100m', memory: '32Mi' } },
            ports: [{ name: 'http', hostPort: 31005 }],
          },
        ],
      }),
    ];
    const { placements, unplaced } = place({ tasks, offers: [offer('x')], placed: [], cniNameOf });
    expect(placements[0]?.ports).toEqual([
      { name: 'http', hostPort: 31005 },
      { name: 'admin', hostPort: 31000 },
    ]);
    expect(unplaced[0]?.message).toContain('short of ports');
  });

  it('keeps reservations and roles on the pieces that it takes, reserved ones first', () => {
    const reserved: Resource = {
      name: 'cpus',
      type: 'SCALAR',
      scalar: { value: 0.06 },
      reservations: [{ type: 'DYNAMIC', role: 'web' }],
    };
    const { placements } = place({
      tasks: [waiting('a')],
      offers: [offer('x', { resources: [...resources(1), reserved] })],
      placed: [],
      cniNameOf,
    });
    const cpus = placements[0]?.containers.get('web')?.filter(({ name }) => name === 'cpus');
    expect(cpus).toEqual([
      { ...reserved, scalar: { value: 0.06 } },
      { name: 'cpus', type: 'SCALAR', scalar: { value: 0.04 } },
    ]);
  });

  it('never takes more than is offered, nor a port twice, whatever is asked', () => {
    const task = fc.record({
      cpu: fc.integer({ min: 10, max: 2000 }),
      mem: fc.integer({ min: 1, max: 600 }),
      ports: fc.integer({ min: 0, max: 4 }),
      group: fc.boolean(),
    });
    const agent = fc.record({
      cpus: fc.integer({ min: 0, max: 40 }),
      mem: fc.integer({ min: 0, max: 2000 }),
      ports: fc.integer({ min: 0, max: 8 }),
    });
    fc.assert(
      fc.property(
        fc.array(task, { maxLength: 12 }),
        fc.array(agent, { maxLength: 5 }),
        (wanted, agents) => {
          const tasks = wanted.map(({ cpu, mem, ports, group }, index) => {
            const container = {
              name: 'c0',
              script: 'x',
              resources: { requests: { cpu: `${cpu}m`, memory: `${mem}Mi` } },
              ports: Array.from({ length: ports }, (_, port) => ({
                name: `p${port}`,
                hostPort: 0,
              })),
            };
            const second = {
              name: 'c1',
              script: 'x',
              resources: { requests: { cpu: '10m', memory: '1Mi' } },
            };
            return waiting(`t${index}`, { containers: group ? [container, second] : [container] });
          });
          const offers = agents.map(({ cpus, mem, ports }, index) =>
            offer(`h${index}`, { resources: resources(cpus / 10, mem, [31000, 30999 + ports]) }),
          );
          const { placements, unplaced } = place({ tasks, offers, placed: [], cniNameOf });
          expect(placements.length + unplaced.length).toBe(tasks.length);
          for (const one of offers) {
            const here = placements.filter(({ offer: { agentId } }) => agentId === one.agentId);
            for (const name of ['cpus', 'mem']) {
              const taken = here.reduce(
                (sum, placement) => sum + Math.round(scalar(placement, name) * 1000),
                0,
              );
              const had =
                one.resources.find((resource) => resource.name === name)?.scalar?.value ?? 0;
              expect(taken).toBeLessThanOrEqual(Math.round(had * 1000));
            }
            const ports = here.flatMap(portsOf);
            expect(new Set(ports).size).toBe(ports.length);
          }
        },
      ),
    );
  });
});

describe('what Mesos is told to launch', () => {
  const first = (task: Task): Placement => {
    const [placement] = place({
      tasks: [task],
      offers: [offer('x')],
      placed: [],
      cniNameOf,
    }).placements;
    if (placement === undefined) throw new Error('not placed');
    return placement;
  };

  it('is one task with its networks by CNI name for a Task of one container', () => {
    const operation = launchOf(
      first(
        waiting('a', {
          networks: [{ name: 'dev-net', labels: { tier: 'web' } }, { name: 'data-net' }],
        }),
      ),
    );
    expect(operation.type).toBe('LAUNCH');
    expect(operation.launch?.task_infos?.[0]).toMatchObject({
      task_id: { value: 'prod.a' },
      agent_id: { value: 'S-x' },
      command: { shell: true, value: `${discoveryPrelude(['dev-net', 'data-net'])}\nx` },
      container: {
        type: 'MESOS',
        network_infos: [
          { name: 'cni-dev-net', labels: { labels: [{ key: 'tier', value: 'web' }] } },
          { name: 'cni-data-net' },
        ],
      },
    });
  });

  it('is a group whose executor joins the networks for a Task of several containers', () => {
    const request = { requests: { cpu: '100m', memory: '32Mi' } };
    const task = waiting('a', {
      networks: [{ name: 'dev-net' }],
      containers: [
        { name: 'web', command: ['./web'], args: ['-v'], resources: request },
        { name: 'side', script: 'y', resources: request },
      ],
    });
    const operation = launchOf(first(task));
    expect(operation.type).toBe('LAUNCH_GROUP');
    expect(operation.launch_group?.executor).toMatchObject({
      type: 'DEFAULT',
      framework_id: { value: 'F' },
      container: { network_infos: [{ name: 'cni-dev-net' }] },
    });
    expect(operation.launch_group?.executor.resources).toEqual([
      { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } },
      { name: 'mem', type: 'SCALAR', scalar: { value: 32 } },
      { name: 'disk', type: 'SCALAR', scalar: { value: 10 } },
    ]);
    const tasks = operation.launch_group?.task_group.tasks ?? [];
    expect(tasks.map(({ task_id: id }) => id.value)).toEqual(['prod.a.web', 'prod.a.side']);
    expect(tasks[0]?.command).toMatchObject({
      shell: false,
      value: '/bin/sh',
      arguments: argvWithDiscovery(['./web', '-v'], ['dev-net']),
    });
    expect(tasks.every(({ container }) => container === undefined)).toBe(true);
  });

  it('gives the containers of a group cgroups of their own if one of them has limits', () => {
    const container = (name: string, cpu?: string) => ({
      name,
      script: 'x',
      resources: {
        requests: { cpu: '100m', memory: '32Mi' },
        ...(cpu === undefined ? {} : { limits: { cpu } }),
      },
    });
    const task = waiting('a', { containers: [container('web', '1'), container('side')] });
    const tasks = launchOf(first(task)).launch_group?.task_group.tasks ?? [];
    expect(tasks.map(({ limits }) => limits)).toEqual([{ cpus: { value: 1 } }, undefined]);
    expect(tasks.map((info) => info.container)).toEqual([
      { type: 'MESOS', linux_info: { share_cgroups: false } },
      { type: 'MESOS', linux_info: { share_cgroups: false } },
    ]);
  });

  it('tells the commands of probes the environment of their container', () => {
    const task = waiting('a', {
      containers: [
        {
          name: 'web',
          script: 'x',
          env: [{ name: 'MODE', value: 'test' }],
          resources: { requests: { cpu: '100m', memory: '32Mi' } },
          ports: [{ name: 'http', hostPort: 0 }],
          readinessProbe: { exec: { command: ['./ready'] } },
          livenessProbe: { exec: { command: ['./alive'] } },
        },
      ],
    });
    const info = launchOf(first(task)).launch?.task_infos?.[0];
    const variables = info?.command?.environment?.variables;
    expect(variables?.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['MODE', 'COSM_PORT_HTTP']),
    );
    expect(info?.check?.command?.command).toMatchObject({
      value: './ready',
      environment: { variables },
    });
    expect(info?.health_check?.command).toMatchObject({
      value: './alive',
      environment: { variables },
    });
  });

  it('passes probes by port name and tells the task its ports', () => {
    const task = waiting('a', {
      networks: [{ name: 'dev-net' }],
      containers: [
        {
          name: 'web',
          script: 'x',
          resources: { requests: { cpu: '100m', memory: '32Mi' } },
          ports: [{ name: 'http', containerPort: 8080 }],
          readinessProbe: { httpGet: { port: 'http', path: '/healthz' } },
          livenessProbe: { tcpSocket: { port: 'http' }, failureThreshold: 5 },
        },
      ],
    });
    const info = launchOf(first(task)).launch?.task_infos?.[0];
    expect(info?.check).toMatchObject({
      type: 'HTTP',
      http: { port: 8080, path: '/healthz' },
      interval_seconds: 10,
    });
    expect(info?.health_check).toMatchObject({
      type: 'TCP',
      tcp: { port: 8080 },
      consecutive_failures: 5,
    });
    expect(info?.command?.environment?.variables).toContainEqual({
      name: 'COSM_PORT_HTTP',
      value: '8080',
      type: 'VALUE',
    });
  });

  it('tells the ports of each container of a group once', () => {
    const resources = { requests: { cpu: '100m', memory: '32Mi' } };
    const task = waiting('a', {
      networks: [{ name: 'dev-net' }],
      containers: [
        { name: 'web', script: 'x', resources, ports: [{ name: 'http', containerPort: 8080 }] },
        { name: 'side', script: 'y', resources, ports: [{ name: 'stats', containerPort: 9090 }] },
      ],
    });
    const infos = launchOf(first(task)).launch_group?.task_group.tasks ?? [];
    const told = infos.map(({ discovery }) => discovery?.ports?.ports?.map(({ name }) => name));
    expect(told).toEqual([['http'], ['stats']]);
  });
});
