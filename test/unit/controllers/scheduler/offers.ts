import { plainContents } from '../../../../controllers/scheduler/contents.ts';
import { launchOperation } from '../../../../controllers/scheduler/launch.ts';
import type { Task, TaskSpec } from '../../../../api/v1/task.ts';
import { agentNetworks } from '../../../../controllers/network/agent-networks.ts';
import type { AgentOffer, Placement } from '../../../../controllers/scheduler/placement.ts';
import type { OfferOperation, Resource } from '../../../../proto/mesos/generated/messages.ts';
import { boundTask } from '../../../support/tasks.ts';

export const cniNameOf = (network: string): string => `cni-${network}`;

export function waiting(name: string, spec: Partial<TaskSpec> = {}): Task {
  const task = boundTask({
    spec: {
      networks: [],
      containers: [
        { name: 'web', script: 'x', resources: { requests: { cpu: '100m', memory: '32Mi' } } },
      ],
      ...spec,
    },
  });
  return { ...task, metadata: { ...task.metadata, name }, status: undefined };
}

export function resources(
  cpus: number,
  mem = 1024,
  ports: [number, number] = [31000, 31009],
): Resource[] {
  return [
    { name: 'cpus', type: 'SCALAR', scalar: { value: cpus } },
    { name: 'mem', type: 'SCALAR', scalar: { value: mem } },
    { name: 'disk', type: 'SCALAR', scalar: { value: 1000 } },
    { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: ports[0], end: ports[1] }] } },
  ];
}

export function offer(name: string, overrides: Partial<AgentOffer> = {}): AgentOffer {
  return {
    agentId: `S-${name}`,
    hostname: name,
    attributes: {},
    role: '*',
    offerIds: [`O-${name}`],
    resources: resources(4),
    unschedulable: false,
    networks: agentNetworks({}, [], []),
    ...overrides,
  };
}

export const hosts = (placements: Placement[]): string[] =>
  placements.map(({ offer: { hostname } }) => hostname);

/** The launch of a placed task that refers to no Secrets and ConfigMaps. */
export function launchOf(placement: Placement): OfferOperation {
  const contents = plainContents(placement.task);
  return launchOperation(placement, { frameworkId: 'F', cniNameOf, contents });
}
