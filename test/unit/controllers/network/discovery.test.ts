import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  argvWithDiscovery,
  discoveryPrelude,
  withDiscovery,
} from '../../../../controllers/network/discovery.ts';

const shells = [['/bin/dash'], ['/bin/bash', '--posix'], ['/bin/busybox', 'ash']].filter(
  ([program = '']) => existsSync(program),
);

interface Interface {
  ipv4?: string;
  /** Of the connected route. */
  prefix?: number;
  ipv6?: readonly string[];
}

let directory: string;
beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'mesocosm-proc-'))));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const octets = (ip: string): number[] => ip.split('.').map(Number);
const hex = (bytes: readonly number[]): string =>
  [...bytes]
    .reverse()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase();

function mask(prefix: number): number[] {
  return [0, 1, 2, 3].map(
    (index) => (0xff << (8 - Math.max(0, Math.min(8, prefix - index * 8)))) & 0xff,
  );
}

/** Files of /proc/net as the kernel writes them for these interfaces. */
function procOf(interfaces: Readonly<Record<string, Interface>>): string {
  const leaves = ['127.0.0.1', ...Object.values(interfaces).flatMap(({ ipv4 }) => ipv4 ?? [])].map(
    (ip) => `           |-- ${ip}\n              /32 host LOCAL\n`,
  );
  const routes = Object.entries(interfaces).flatMap(([device, { ipv4, prefix }]) => {
    if (ipv4 === undefined || prefix === undefined) return [];
    const network = octets(ipv4).map((byte, index) => byte & (mask(prefix)[index] ?? 0));
    return [`${device}\t${hex(network)}\t00000000\t0001\t0\t0\t0\t${hex(mask(prefix))}\t0\t0\t0\n`];
  });
  const ipv6 = Object.entries(interfaces).flatMap(([device, { ipv6: addresses = [] }]) =>
    [
      ...addresses.map((address) => [address, '00']),
      ['fe800000000000000000000000000001', '20'],
    ].map(([address, scope]) => `${address ?? ''} 02 40 ${scope ?? ''} 80 ${device}\n`),
  );
  const proc = mkdtempSync(join(directory, 'net-'));
  writeFileSync(
    join(proc, 'fib_trie'),
    `Main:\n  +-- 0.0.0.0/0 3 0 5\n${leaves.join('')}Local:\n${leaves.join('')}`,
  );
  writeFileSync(
    join(proc, 'route'),
    `Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n${routes.join('')}eth0\t00000000\t010BC80A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n`,
  );
  writeFileSync(join(proc, 'if_inet6'), ipv6.join(''));
  return proc;
}

describe.each(shells)('in %s %s', (program = '', ...options) => {
  const run = (
    text: string,
    ...args: string[]
  ): { stdout: string; stderr: string; status: number | null; signal: string | null } => {
    const { stdout, stderr, status, signal } = spawnSync(
      program,
      [...options, '-c', text, 'sh', ...args],
      {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'] ?? '' },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    return { stdout, stderr, status, signal };
  };
  /** What a command finds in its environment, and what is left of our own variables. */
  const variables = (
    interfaces: Readonly<Record<string, Interface>>,
    networks: readonly string[],
  ): Record<string, string> => {
    const prelude = discoveryPrelude(networks, procOf(interfaces));
    const ours = new Set([...prelude.matchAll(/\b_c\w+/g)].map(([name]) => name));
    const left = [...ours].map((name) => `[ -z "\${${name}+x}" ] || echo ${name}=left`).join('\n');
    const { stdout, stderr, status } = run(`${prelude}\n${left}\nenv`);
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    const found = stdout.matchAll(/^(_c\w+|COSM_\w+)=(.*)$/gm);
    return Object.fromEntries([...found].map(([, name = '', value = '']) => [name, value]));
  };

  it('exports the address of each network and family, in the order of the networks', () => {
    const interfaces = {
      eth1: { ipv4: '10.200.12.13', prefix: 24, ipv6: ['fd000012000000000000000000000013'] },
      eth0: { ipv4: '10.200.11.12', prefix: 24 },
    };
    expect(variables(interfaces, ['dev-net', 'data-net'])).toEqual({
      COSM_IP: '10.200.11.12',
      COSM_IPS: '10.200.11.12 10.200.12.13 fd00:12::13',
      COSM_IP_DEV_NET: '10.200.11.12',
      COSM_IP_DATA_NET: '10.200.12.13',
      COSM_IP6_DATA_NET: 'fd00:12::13',
    });
  });

  it('takes the longest route where networks contain each other', () => {
    const interfaces = {
      eth0: { ipv4: '10.1.2.3', prefix: 8 },
      eth1: { ipv4: '10.9.0.4', prefix: 16 },
    };
    expect(variables(interfaces, ['wide', 'narrow'])).toMatchObject({
      COSM_IP_WIDE: '10.1.2.3',
      COSM_IP_NARROW: '10.9.0.4',
    });
  });

  it('gives an address without a route to the interface that has none', () => {
    const interfaces = { eth0: { ipv4: '10.1.2.3', prefix: 24 }, eth1: { ipv4: '192.0.2.7' } };
    expect(variables(interfaces, ['a', 'b'])).toMatchObject({
      COSM_IP_A: '10.1.2.3',
      COSM_IP_B: '192.0.2.7',
    });
  });

  it('writes IPv6 as RFC 5952 does and knows tasks that have nothing else', () => {
    const interfaces = { eth0: { ipv6: ['20010db8000000000001000000000001'] } };
    expect(variables(interfaces, ['six'])).toEqual({
      COSM_IP: '2001:db8::1:0:0:1',
      COSM_IPS: '2001:db8::1:0:0:1',
      COSM_IP6_SIX: '2001:db8::1:0:0:1',
    });
  });

  it('exports nothing where there is no address, and leaves no variable of its own', () => {
    expect(variables({}, ['dev-net'])).toEqual({});
  });

  it('leaves arguments, exit status and signals to the command', () => {
    const words = ['a b', '', '$HOME', '`x`', "it's", '*', '-n', 'ü', 'two\nlines'];
    const [, , text = '', , ...argv] = argvWithDiscovery(
      [process.execPath, '-p', 'JSON.stringify(process.argv.slice(1))', '--', ...words],
      ['dev-net'],
    );
    expect(run(text, ...argv).stdout.trimEnd()).toBe(JSON.stringify(words));
    expect(run(withDiscovery('exit 7', ['dev-net'])).status).toBe(7);
    expect(run(withDiscovery('kill -TERM $$', ['dev-net'])).signal).toBe('SIGTERM');
    expect(run(withDiscovery('printf "%s|" "$#" "$@"', ['dev-net']), 'x', 'y z').stdout).toBe(
      '2|x|y z|',
    );
  });
});

it('leaves the command alone where there is no network', () => {
  expect(withDiscovery('x', [])).toBe('x');
  expect(argvWithDiscovery(['x', 'y'], [])).toEqual(['x', 'y']);
});
