import { expect, it } from 'vitest';
import { place } from '../../../../controllers/scheduler/placement.ts';
import { cniNameOf, launchOf, offer, waiting } from './offers.ts';

const networks = [
  {
    name: 'dev-net',
    labels: { tier: 'web', zone: 'a' },
    groups: ['blue', 'green'],
    portMappings: [
      { hostPort: 31001, containerPort: 8080, protocol: 'udp' as const },
      { hostPort: 31002, containerPort: 8081 },
    ],
  },
  { name: 'data-net' },
];

const expected = [
  {
    name: 'cni-dev-net',
    groups: ['blue', 'green'],
    labels: {
      labels: [
        { key: 'tier', value: 'web' },
        { key: 'zone', value: 'a' },
      ],
    },
    port_mappings: [
      { host_port: 31001, container_port: 8080, protocol: 'udp' },
      { host_port: 31002, container_port: 8081, protocol: 'tcp' },
    ],
  },
  { name: 'cni-data-net' },
];

const container = (name: string) => ({
  name,
  script: 'x',
  resources: { requests: { cpu: '100m', memory: '32Mi' } },
});

function launched(...names: string[]) {
  const tasks = [waiting('a', { networks, containers: names.map(container) })];
  const [placement] = place({ tasks, offers: [offer('x')], placed: [], cniNameOf }).placements;
  if (placement === undefined) throw new Error('it was not placed');
  return launchOf(placement);
}

it('labels, groups and port mappings of a network reach Mesos with a single task', () => {
  const [info] = launched('web').launch?.task_infos ?? [];
  expect(info?.container?.network_infos).toEqual(expected);
});

it('and with the executor of a group, which joins the networks for all of it', () => {
  const { executor, task_group: group } = launched('web', 'side').launch_group ?? {};
  expect(executor?.container?.network_infos).toEqual(expected);
  expect(group?.tasks?.some((task) => task.container?.network_infos !== undefined)).toBe(false);
});
