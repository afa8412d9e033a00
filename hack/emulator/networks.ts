import type { NetworkInfo } from '../../proto/mesos/generated/messages.ts';

/**
 * The order in which Mesos lists a container's networks and calls their plugins: that of a hash
 * table, not of the request. Here a fixed hash of the name.
 */
export function inHashOrder<T>(items: readonly T[], name: (item: T) => string): T[] {
  return [...items].sort((a, b) => hash(name(a)) - hash(name(b)));
}

function hash(text: string): number {
  let value = 5381;
  for (const byte of Buffer.from(text)) value = (Math.imul(value, 33) + byte) >>> 0;
  return value;
}

export interface Attachment {
  readonly requested: NetworkInfo;
  readonly ipv4?: string;
  /** With prefix length, as Mesos reports IPv6. */
  readonly ipv6?: string;
}

/** What a status says of the networks: copies of the request with the addresses put in. */
export function reportedNetworks(attachments: readonly Attachment[]): NetworkInfo[] {
  const ordered = inHashOrder(attachments, ({ requested }) => requested.name ?? '');
  return ordered.map(({ requested, ipv4, ipv6 }) => ({
    ...requested,
    ip_addresses: [
      ...(ipv4 === undefined ? [] : [{ protocol: 'IPv4' as const, ip_address: ipv4 }]),
      ...(ipv6 === undefined ? [] : [{ protocol: 'IPv6' as const, ip_address: ipv6 }]),
    ],
  }));
}

/** A container on the host's network has one entry without a name: the agent's own address. */
export function hostNetwork(ip: string): NetworkInfo[] {
  return [{ ip_addresses: [{ ip_address: ip }] }];
}

/** The CNI networks that a container asks for: those with a name. */
export function namedNetworks(networks: readonly NetworkInfo[] | undefined): NetworkInfo[] {
  return (networks ?? []).filter(({ name }) => name !== undefined);
}

/** Mesos refuses these before it calls a plugin. */
export function networkProblem(
  networks: readonly NetworkInfo[],
  known: (name: string) => boolean,
): string | undefined {
  const seen = new Set<string>();
  for (const { name = '' } of networks) {
    if (!known(name)) return `Unknown CNI network '${name}'`;
    if (seen.has(name)) return `Attempted to join CNI network '${name}' multiple times`;
    seen.add(name);
  }
  return undefined;
}
