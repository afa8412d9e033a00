import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkInfo } from '../../../../proto/mesos/generated/messages.ts';
import { createNamespace } from '../../cni/namespace.ts';
import { attach, CniError, readNetworkConfigs, type CniOptions } from '../../cni/plugin.ts';
import {
  hostNetwork,
  inHashOrder,
  namedNetworks,
  networkProblem,
  reportedNetworks,
  type Attachment,
} from '../../networks.ts';
import type { ContainerSpec, LaunchFailure } from '../runtime.ts';
import { namespaceOf, type AgentPaths } from './paths.ts';
import type { ContainerRecord } from './record.ts';

export interface JoinOptions {
  readonly paths: AgentPaths;
  readonly cni: CniOptions;
  /** The agent's advertised address, which containers on the host's network report. */
  readonly ip: string;
  readonly spec: ContainerSpec;
  readonly sandbox: string;
  /** Those of the container that this one is nested in. */
  readonly inherited: readonly NetworkInfo[] | undefined;
  /** Writes down what is about to be made: a crash in between leaves nothing that is not known. */
  readonly remember: (made: Pick<ContainerRecord, 'namespace' | 'attachments'>) => void;
}

/** Makes the container's namespace and calls the plugins, all at once, as Mesos does. */
export async function joinNetworks(
  options: JoinOptions,
): Promise<{ readonly networks: readonly NetworkInfo[] } | LaunchFailure> {
  const { spec, paths, cni, ip, inherited } = options;
  const requested = namedNetworks(spec.container?.network_infos);
  if (requested.length === 0) return { networks: inherited ?? hostNetwork(ip) };
  const configs = readNetworkConfigs(cni.configDir);
  const problem = networkProblem(requested, (name) => configs.has(name));
  if (problem !== undefined) return { kind: 'launch', message: problem };
  const containerId = spec.id.value;
  const namespace = namespaceOf(paths, containerId);
  const attachments = requested.flatMap((network, index) => {
    const config = configs.get(network.name ?? '');
    const interfaceName = `eth${index}`;
    return config === undefined ? [] : [{ config, containerId, namespace, interfaceName, network }];
  });
  options.remember({ namespace, attachments });
  await createNamespace(namespace);
  const results = await Promise.allSettled(
    inHashOrder(attachments, ({ config }) => config.name).map(
      async (attachment): Promise<Attachment | undefined> => {
        const addresses = await attach(cni, attachment);
        return addresses && { requested: attachment.network, ...addresses };
      },
    ),
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) return { kind: 'launch', message: describeError(failed.reason) };
  const attached = results.flatMap((result) =>
    result.status === 'fulfilled' && result.value !== undefined ? [result.value] : [],
  );
  if (attached.length < attachments.length) {
    const words = `Failed to obtain the IP address for '${containerId}'; the DNS service may not be able to resolve it: Temporary failure in name resolution\n`;
    writeFileSync(join(options.sandbox, 'stderr'), words, { flag: 'a' });
    return { kind: 'terminated', message: 'Executor terminated' };
  }
  return { networks: reportedNetworks(attached) };
}

export function describeError(error: unknown): string {
  if (error instanceof CniError) return error.message;
  return error instanceof Error ? error.message : String(error);
}
