import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { mustRun, runCommand } from '../process.ts';
import { claimRouting, releaseRouting } from './host-routing.ts';
import { requestedIpam, writeRequestedIpam } from './requested-ipam.ts';

export interface SampleNetworksOptions {
  /** Of interface names; at most 8 characters, and another one for each emulator on the machine. */
  prefix: string;
  /** First two parts of the IPv4 networks, for example `172.29`; some that are free if absent. */
  base?: string | undefined;
  /** Where configurations, leases and the record of what to undo go. */
  directory: string;
}

const record = z.object({
  bridges: z.array(z.string()),
  hostAddress: z.string(),
});

export interface SampleNetworks {
  readonly configDir: string;
  /** Plugins of their own, to be found before others. */
  readonly pluginDir?: string;
  /** Of the host, reachable from every network: for agents to advertise. */
  readonly hostAddress: string;
  readonly names: readonly string[];
}

/**
 * Three bridges, `dev-net` (IPv4), `data-net` (dual-stack) and `static-net` (IPv4, where a task gets the
 * address that it asks for), and `edge-net`, point to point. The bridges exist before any plugin runs, with explicit addresses: a bridge that a failing first
 * plugin call made would be refused by the next call, and its IPv6 would be tentative at first.
 */
export async function createSampleNetworks(
  options: SampleNetworksOptions,
): Promise<SampleNetworks> {
  const { prefix, directory } = options;
  await removeSampleNetworks(directory);
  for (const left of claimRouting(directory)) await removeSampleNetworks(left);
  const configDir = join(directory, 'conf');
  mkdirSync(configDir, { recursive: true });
  const base = await takeBase(options.base);
  const [, second = '0'] = base.split('.');
  const base6 = `fd${second.padStart(2, '0').slice(-2)}`;
  const bridges = [`${prefix}dev0`, `${prefix}data0`, `${prefix}stat0`];
  const pluginDir = join(directory, 'plugins');
  const hostAddress = hostAddressIn(base);
  writeFileSync(recordFile(directory), JSON.stringify({ bridges, hostAddress }));
  await createBridge(bridges[0] ?? '', [`${base}.11.1/24`]);
  await createBridge(bridges[1] ?? '', [`${base}.12.1/24`, `${base6}:12::1/64`]);
  await createBridge(bridges[2] ?? '', [`${base}.14.1/24`]);
  writeRequestedIpam(pluginDir);
  const configs = sampleConfigs({ base, directory }, bridges, base6, hostAddress);
  for (const config of configs) {
    writeFileSync(join(configDir, `${config.name}.json`), JSON.stringify(config, undefined, 2));
  }
  return { configDir, pluginDir, hostAddress, names: configs.map(({ name }) => name) };
}

/** Removes what a former call made, also one of a process that was killed. */
export async function removeSampleNetworks(directory: string): Promise<void> {
  const path = recordFile(directory);
  releaseRouting(directory);
  if (!existsSync(path)) return;
  const { bridges, hostAddress } = record.parse(JSON.parse(readFileSync(path, 'utf8')));
  // What is missing was never made, or is gone since a reboot.
  for (const bridge of bridges) await runCommand('ip', ['link', 'delete', bridge]);
  await runCommand('ip', ['address', 'delete', `${hostAddress}/32`, 'dev', 'lo']);
  rmSync(directory, { recursive: true, force: true });
}

const hostAddressIn = (base: string): string => `${base}.0.1`;

/** By the host's address in it, which of two emulators that choose the same at once only one gets. */
async function takeBase(given: string | undefined): Promise<string> {
  for (;;) {
    const base = given ?? freeNetworkBase();
    const add = ['address', 'add', `${hostAddressIn(base)}/32`, 'dev', 'lo'];
    const { code, stderr } = await runCommand('ip', add);
    if (code === 0) return base;
    if (given !== undefined || !stderr.includes('File exists')) {
      throw new Error(`ip ${add.join(' ')}: exit ${String(code)}: ${stderr}`);
    }
  }
}

/** First two parts of a private IPv4 network that no interface of this machine is in. */
function freeNetworkBase(): string {
  const taken = new Set(
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .map(({ address }) => address.split('.').slice(0, 2).join('.')),
  );
  // From a random one on, so that two emulators that start at once seldom meet.
  const start = randomInt(50);
  for (let offset = 0; offset < 50; offset++) {
    const base = `10.${200 + ((start + offset) % 50)}`;
    if (!taken.has(base)) return base;
  }
  throw new Error('all of 10.200 to 10.249 is in use');
}

function sampleConfigs(
  { base, directory }: { base: string; directory: string },
  bridges: readonly string[],
  base6: string,
  hostAddress: string,
) {
  const dataDir = join(directory, 'ipam');
  const common = { cniVersion: '0.2.0', ipMasq: false };
  return [
    {
      ...common,
      name: 'dev-net',
      type: 'bridge',
      bridge: bridges[0],
      isGateway: false,
      ipam: {
        type: 'host-local',
        subnet: `${base}.11.0/24`,
        rangeStart: `${base}.11.10`,
        rangeEnd: `${base}.11.250`,
        gateway: `${base}.11.1`,
        dataDir,
        routes: [{ dst: '0.0.0.0/0', gw: `${base}.11.1` }],
      },
    },
    {
      ...common,
      name: 'data-net',
      type: 'bridge',
      bridge: bridges[1],
      isGateway: false,
      ipam: {
        type: 'host-local',
        dataDir,
        ranges: [
          [
            {
              subnet: `${base}.12.0/24`,
              rangeStart: `${base}.12.10`,
              rangeEnd: `${base}.12.250`,
              gateway: `${base}.12.1`,
            },
          ],
          [
            {
              subnet: `${base6}:12::/64`,
              rangeStart: `${base6}:12::10`,
              gateway: `${base6}:12::1`,
            },
          ],
        ],
        routes: [{ dst: `${hostAddress}/32`, gw: `${base}.12.1` }],
      },
    },
    {
      ...common,
      name: 'static-net',
      type: 'bridge',
      bridge: bridges[2],
      isGateway: false,
      ipam: {
        type: requestedIpam,
        subnet: `${base}.14.0/24`,
        rangeStart: `${base}.14.10`,
        rangeEnd: `${base}.14.250`,
        gateway: `${base}.14.1`,
        dataDir,
        routes: [{ dst: `${hostAddress}/32`, gw: `${base}.14.1` }],
      },
    },
    {
      ...common,
      name: 'edge-net',
      type: 'ptp',
      ipam: {
        type: 'host-local',
        subnet: `${base}.13.0/24`,
        rangeStart: `${base}.13.10`,
        rangeEnd: `${base}.13.250`,
        gateway: `${base}.13.1`,
        dataDir,
        routes: [{ dst: `${hostAddress}/32`, gw: `${base}.13.1` }],
      },
    },
  ];
}

async function createBridge(name: string, addresses: readonly string[]): Promise<void> {
  const mac = [
    '02',
    ...(Buffer.from(name.padStart(5, '0').slice(-5)).toString('hex').match(/../g) ?? []),
  ];
  await mustRun('ip', 'link', 'add', name, 'address', mac.join(':'), 'type', 'bridge');
  const dad = `/proc/sys/net/ipv6/conf/${name}/accept_dad`;
  if (existsSync(dad)) writeFileSync(dad, '0');
  for (const address of addresses) {
    await mustRun(
      'ip',
      'address',
      'add',
      address,
      'dev',
      name,
      ...(address.includes(':') ? ['nodad'] : []),
    );
  }
  await mustRun('ip', 'link', 'set', name, 'up');
}

function recordFile(directory: string): string {
  return join(directory, 'networks.json');
}
