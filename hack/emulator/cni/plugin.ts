import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { NetworkInfo } from '../../../proto/mesos/generated/messages.ts';
import { runCommand } from '../process.ts';

const networkConfig = z.looseObject({ name: z.string(), type: z.string() });
export type NetworkConfig = z.infer<typeof networkConfig>;

/** What Mesos reads of a plugin's answer: the 0.2.0 form. Later forms have neither `ip4` nor `ip6`. */
const addResult = z.looseObject({
  ip4: z.looseObject({ ip: z.string() }).optional(),
  ip6: z.looseObject({ ip: z.string() }).optional(),
});

export interface CniOptions {
  /** Directory of network configurations, one JSON file each. */
  configDir: string;
  /** Directories of plugins, as CNI_PATH. */
  pluginPath: readonly string[];
}

export interface CniAttachment {
  readonly config: NetworkConfig;
  readonly containerId: string;
  readonly namespace: string;
  readonly interfaceName: string;
  readonly network: NetworkInfo;
}

export interface CniAddresses {
  readonly ipv4?: string;
  /** With prefix length. */
  readonly ipv6?: string;
}

/** A plugin that failed; the message is the one that Mesos gives. */
export class CniError extends Error {
  override readonly name = 'CniError';
}

/** The networks that the directory offers now; Mesos rereads it when it meets an unknown name. */
export function readNetworkConfigs(configDir: string): Map<string, NetworkConfig> {
  const configs = new Map<string, NetworkConfig>();
  const files = existsSync(configDir) ? readdirSync(configDir).sort() : [];
  for (const file of files) {
    if (!/\.(json|conf)$/.test(file)) continue;
    const config = networkConfig.parse(JSON.parse(readFileSync(join(configDir, file), 'utf8')));
    configs.set(config.name, config);
  }
  return configs;
}

/** ADD: joins the container's namespace to the network. Undefined: the answer names no address. */
export async function attach(
  cni: CniOptions,
  attachment: CniAttachment,
): Promise<CniAddresses | undefined> {
  const { code, stdout, stderr, plugin } = await invoke(cni, 'ADD', attachment);
  if (code !== 0) {
    const { containerId, config } = attachment;
    throw new CniError(
      `Collect failed: The CNI plugin '${plugin}' failed to attach container ${containerId} to CNI network '${config.name}': stdout='${stdout}', stderr='${stderr}'`,
    );
  }
  const { ip4, ip6 } = addResult.parse(JSON.parse(stdout));
  if (ip4 === undefined && ip6 === undefined) return undefined;
  return {
    ...(ip4 === undefined ? {} : { ipv4: ip4.ip.replace(/\/\d+$/, '') }),
    ...(ip6 === undefined ? {} : { ipv6: ip6.ip }),
  };
}

/** DEL: gives addresses back; harmless if there is nothing to give back. */
export async function detach(cni: CniOptions, attachment: CniAttachment): Promise<void> {
  const { code, stdout, stderr, plugin } = await invoke(cni, 'DEL', attachment);
  if (code === 0) return;
  throw new CniError(
    `The CNI plugin '${plugin}' failed to detach container ${attachment.containerId} from network '${attachment.config.name}': stdout='${stdout}', stderr='${stderr}'`,
  );
}

/** The configuration as Mesos hands it on: the request is in `args`, keys are in order. */
export function pluginInput({ config, network }: CniAttachment): string {
  const args = z.record(z.string(), z.unknown()).catch({}).parse(config['args']);
  return JSON.stringify(
    sorted({ ...config, args: { ...args, 'org.apache.mesos': { network_info: network } } }),
  );
}

async function invoke(cni: CniOptions, command: 'ADD' | 'DEL', attachment: CniAttachment) {
  const { config, containerId, namespace, interfaceName } = attachment;
  const plugin = findPlugin(cni, config.type);
  const result = await runCommand(plugin, [], {
    input: pluginInput(attachment),
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_IFNAME: interfaceName,
      CNI_NETNS: namespace,
      CNI_PATH: cni.pluginPath.join(':'),
      // Plugins call iptables.
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    },
  });
  return { ...result, plugin };
}

function findPlugin({ pluginPath }: CniOptions, type: string): string {
  for (const directory of pluginPath) {
    const path = join(directory, type);
    if (existsSync(path)) return path;
  }
  throw new CniError(`Failed to find CNI plugin '${type}' in '${pluginPath.join(':')}'`);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}
