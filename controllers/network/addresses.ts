import { isIP } from 'node:net';
import { canonicalAddress, familyOf } from '../../api/v1/addresses.ts';
import type { NetworkStatus } from '../../api/v1/task.ts';
import type { IPFamily, NetworkAttachment } from '../../api/v1/template.ts';
import type { NetworkInfo } from '../../proto/mesos/generated/messages.ts';

/**
 * Which address a task has on which network. The rules, each paid for by somebody's outage:
 * Mesos answers in hash order, so networks are matched by name; an unnamed entry is the agent's own
 * address; IPv6 comes with a prefix length; and what an update does not say is not thereby gone.
 */

/** The networks of a task that is bound but has not been reported on. Interfaces follow the request. */
export function requestedNetworks(
  attachments: readonly NetworkAttachment[],
  cniNameOf: (network: string) => string,
  now: string,
  requested: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>(),
): NetworkStatus[] {
  return attachments.map(({ name }, index) => ({
    name,
    cniName: cniNameOf(name),
    interface: `eth${index}`,
    ips: [],
    ...requestedOf(requested.get(name)),
    verdict: 'Pending',
    lastTransitionTime: now,
  }));
}

function requestedOf(ips: readonly string[] | undefined): Pick<NetworkStatus, 'requestedIps'> {
  return ips === undefined || ips.length === 0 ? {} : { requestedIps: [...ips] };
}

export interface AddressObservation {
  /** container_status.network_infos; undefined if the update has none. */
  infos: readonly NetworkInfo[] | undefined;
  /** The update is the answer to an explicit reconciliation of a running task: it says all there is. */
  reconciled: boolean;
  /** RFC 3339. */
  now: string;
}

/** The networks of a *running* task after an update. Known addresses are replaced, never cleared. */
export function observeAddresses(
  previous: readonly NetworkStatus[],
  attachments: readonly NetworkAttachment[],
  observation: AddressObservation,
): NetworkStatus[] {
  return previous.map((network) => {
    const reported = addressesOn(network.cniName, observation.infos ?? []);
    const ips = reported.length > 0 ? reported : network.ips;
    const expected = attachments.find(({ name }) => name === network.name)?.ipFamilies ?? [];
    const { verdict, message } = judge(ips, expected, network, observation.reconciled);
    const unchanged =
      verdict === network.verdict && message === network.message && sameList(ips, network.ips);
    if (unchanged) return network;
    return {
      name: network.name,
      cniName: network.cniName,
      interface: network.interface,
      ips,
      ...requestedOf(network.requestedIps),
      verdict,
      ...(message === undefined ? {} : { message }),
      lastTransitionTime: observation.now,
    };
  });
}

/** The addresses on a CNI network, without prefix length, IPv4 first. */
export function addressesOn(cniName: string, infos: readonly NetworkInfo[]): string[] {
  const found = infos
    .filter((info) => info.name === cniName)
    .flatMap((info) => info.ip_addresses ?? [])
    .map(({ ip_address: address }) => withoutPrefix(address ?? ''))
    .filter((address) => isIP(address) !== 0);
  return [...new Set(found)].sort((a, b) => isIP(a) - isIP(b));
}

/** `fd29:13::10/64` is how Mesos reports IPv6; IPv4 comes bare. */
function withoutPrefix(address: string): string {
  const slash = address.indexOf('/');
  return (slash < 0 ? address : address.slice(0, slash)).toLowerCase();
}

function judge(
  ips: readonly string[],
  expected: readonly IPFamily[],
  network: NetworkStatus,
  reconciled: boolean,
): { verdict: NetworkStatus['verdict']; message?: string | undefined } {
  if (ips.length === 0) {
    if (!reconciled && network.verdict !== 'Missing') return { verdict: 'Pending' };
    return {
      verdict: 'Missing',
      message: `the task runs, and Mesos reports no address on CNI network "${network.cniName}": its configuration may answer in CNI 0.3 form, which Mesos does not read`,
    };
  }
  const refused = (network.requestedIps ?? []).filter(
    (asked) => !ips.some((ip) => canonicalAddress(ip) === asked),
  );
  if (refused.length > 0) {
    return {
      verdict: 'Mismatch',
      message: `asked for ${refused.join(' and ')}, and the plugin of CNI network "${network.cniName}" gave ${ips.join(' and ')}: its IPAM may not honour args."org.apache.mesos".network_info`,
    };
  }
  const absent = expected.filter((family) => !ips.some((ip) => familyOf(ip) === family));
  if (absent.length === 0) return { verdict: 'Assigned' };
  return {
    verdict: 'Mismatch',
    message: `expected ${expected.join(' and ')}, but ${absent.join(' and ')} was not assigned`,
  };
}

/** Networks of a task out of sight: what was known goes to lastKnown, nothing stays for discovery. */
export function withoutAddresses(networks: readonly NetworkStatus[], now: string): NetworkStatus[] {
  return networks.map((network) =>
    network.ips.length === 0
      ? network
      : {
          name: network.name,
          cniName: network.cniName,
          interface: network.interface,
          ips: [],
          ...requestedOf(network.requestedIps),
          verdict: 'Pending',
          lastTransitionTime: now,
        },
  );
}

export interface LaunchFailure {
  state: string;
  reason: string | undefined;
  message: string | undefined;
  /** Whether the task was ever reported as starting or running. */
  started: boolean;
}

/**
 * Networks of a dead task: no addresses, and `Rejected` where the launch failed over a network.
 * The reasons are those of the `network/cni` isolator.
 */
export function networksAfterDeath(
  networks: readonly NetworkStatus[],
  failure: LaunchFailure,
  now: string,
): NetworkStatus[] {
  return withoutAddresses(networks, now).map((network) => {
    const message = rejection(network, failure);
    return message === undefined
      ? network
      : { ...network, verdict: 'Rejected', message, lastTransitionTime: now };
  });
}

function rejection(network: NetworkStatus, failure: LaunchFailure): string | undefined {
  const { state, reason, message = '', started } = failure;
  if (state !== 'TASK_FAILED' || started) return undefined;
  if (
    reason === 'REASON_CONTAINER_LAUNCH_FAILED' &&
    message.includes(`CNI network '${network.cniName}'`)
  ) {
    return message;
  }
  if (reason === 'REASON_EXECUTOR_TERMINATED') {
    return `${message === '' ? 'Executor terminated' : message}: the executor died before it registered, as it does when the plugin of a network answers in CNI 0.3 form or later; configure cniVersion 0.2.0`;
  }
  return undefined;
}

/** The CNI network that an agent turned out not to have, if that is why the launch failed. */
export function unknownCniNetwork(message: string | undefined): string | undefined {
  return /Unknown CNI network '([^']+)'/.exec(message ?? '')?.[1];
}

export function summarizeAddresses(networks: readonly NetworkStatus[]): {
  ip?: string;
  ips?: string[];
} {
  const ips = networks.flatMap((network) => network.ips);
  const [ip] = ips;
  return ip === undefined ? {} : { ip, ips };
}

function sameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index]);
}
