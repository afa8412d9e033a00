import type { Draft } from '../../api/machinery/metadata.ts';
import type { Job } from '../../api/v1/job.ts';
import type { Container, NetworkAttachment } from '../../api/v1/template.ts';
import { serverSetRoot } from './cosmd.ts';
import { mostNamed } from './networks.ts';
import { namespace } from './user.ts';

/** What a simulated user wants; everything else of a Job follows from it. */
export interface Wish {
  name: string;
  replicas: number;
  /** A change of it is another template. */
  version: number;
  /** None: the network of the agent. */
  networks: readonly NetworkAttachment[];
  onMissingAddress: 'Wait' | 'Replace' | 'Fail';
  addressDeadlineSeconds: number;
  /** Two containers, launched as a group. */
  group: boolean;
  /** Published, on which of its paths; undefined: not at all. */
  path: number | undefined;
  drainSeconds: number;
  maxUnavailable: number;
  minReadySeconds: number;
  replaceAfterSeconds: number;
  readinessProbe: boolean;
}

/** Whether it asks for addresses on a network whose plugins do not listen: what runs is a Mismatch. */
export function isUnheard({ networks }: Wish): boolean {
  return networks.some(
    ({ name, ips, sticky }) => name === 'deaf-net' && (ips !== undefined || sticky === true),
  );
}

/** Most replicas that it may have. */
export function mostReplicas({ networks }: Wish): number {
  if (networks.some(({ ips }) => ips !== undefined)) return 1;
  return mostNamed;
}

export function pathOf(wish: Wish): string | undefined {
  if (wish.path === undefined) return undefined;
  return `${serverSetRoot}/${namespace}/${wish.name}${wish.path === 0 ? '' : `-${wish.path}`}`;
}

export function draftOf(wish: Wish): Draft<Job> {
  const joined = wish.networks;
  const main: Container = {
    name: 'main',
    script: 'exec serve --port 8080',
    env: [{ name: 'VERSION', value: String(wish.version) }],
    resources: { requests: { cpu: '100m', memory: '32Mi' } },
    ports: [
      joined.length === 0 ? { name: 'http', hostPort: 0 } : { name: 'http', containerPort: 8080 },
    ],
    ...(wish.readinessProbe
      ? { readinessProbe: { exec: { command: ['true'] }, periodSeconds: 1 } }
      : {}),
  };
  const side: Container = {
    name: 'side',
    script: 'exec serve',
    resources: { requests: { cpu: '50m', memory: '32Mi' } },
  };
  const { onMissingAddress, addressDeadlineSeconds } = wish;
  const missing = {
    onMissingAddress,
    ...(onMissingAddress === 'Wait' ? {} : { addressDeadlineSeconds }),
  };
  const zkPath = pathOf(wish);
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name: wish.name, namespace },
    spec: {
      replicas: wish.replicas,
      template: {
        spec: {
          ...(joined.length === 0 ? {} : { networks: [...joined], ...missing }),
          containers: wish.group ? [main, side] : [main],
          terminationGracePeriodSeconds: 5,
        },
      },
      updateStrategy: {
        maxUnavailable: wish.maxUnavailable,
        minReadySeconds: wish.minReadySeconds,
      },
      unreachable: { replaceAfterSeconds: wish.replaceAfterSeconds },
      ...(zkPath === undefined
        ? {}
        : {
            serverSet: {
              zkPath,
              primaryPort: 'http',
              drainSeconds: wish.drainSeconds,
              ...(joined[0] === undefined ? {} : { network: joined[0].name }),
            },
          }),
    },
  };
}
