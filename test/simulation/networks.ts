import type { Network } from '../../api/v1/network.ts';
import type { NetworkAttachment } from '../../api/v1/template.ts';
import type { SimulatedNetwork } from '../../hack/emulator/agent/simulated/networks.ts';

/** What operators offer. */
export const offeredNetworks: Readonly<Record<string, Network['spec']>> = {
  'dev-net': {},
  'data-net': { ipFamilies: ['IPv4', 'IPv6'] },
  'static-net': { cniName: 'Static_Net', staticRanges: ['10.66.200.0/28'] },
  'deaf-net': { staticRanges: ['10.67.200.0/28'] },
};

/** What the agents have, by CNI name. Static addresses are not among those given to others. */
export const simulatedNetworks: Readonly<Record<string, SimulatedNetwork>> = {
  'dev-net': { ipv4: '10.64.0.10' },
  'data-net': { ipv4: '10.65.0.10', ipv6: 'fd65::10' },
  Static_Net: { ipv4: '10.66.0.10', ipv6: 'fd66::10', honoursRequests: true },
  'deaf-net': { ipv4: '10.67.0.10' },
};

/** So few that Jobs meet. */
const addresses = 5;

function addressOn(network: 'static-net' | 'deaf-net', n: number): string {
  return `10.${network === 'static-net' ? 66 : 67}.200.${1 + (n % addresses)}`;
}

/** Most replicas of a Job that names the addresses of its instances. */
export const mostNamed = 4;

/**
 * What a Job joins: `choice` says how, `start` from which static address on. None: the network of the
 * agent.
 */
export function attachments(choice: number, start: number): NetworkAttachment[] {
  const ip = addressOn('static-net', start);
  switch (choice) {
    case 0:
      return [];
    case 1:
      return [{ name: 'dev-net' }];
    case 2:
      return [{ name: 'dev-net' }, { name: 'data-net', ipFamilies: ['IPv4', 'IPv6'] }];
    case 3:
      return [{ name: 'static-net', ips: [ip] }];
    case 4: {
      const instances = Array.from({ length: mostNamed }, (_, n) => n);
      const ipsByInstance = instances.map((n) => [addressOn('static-net', start + n)]);
      return [{ name: 'static-net', ipsByInstance }, { name: 'dev-net' }];
    }
    case 5:
      return [{ name: 'static-net', sticky: true }];
    case 6:
      return [{ name: 'data-net' }, { name: 'static-net', sticky: true }];
    case 7:
      return [{ name: 'deaf-net', ips: [addressOn('deaf-net', start)] }];
    default:
      return [{ name: 'deaf-net', sticky: true }];
  }
}

export const attachmentChoices = 9;
