import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Type of the IPAM plugin below, as network configurations name it. */
export const requestedIpam = 'requested-address';

/**
 * Writes an IPAM plugin which gives a task the addresses that Mesos hands on in
 * args."org.apache.mesos".network_info: host-local knows nothing of these, and is told by args.cni.ips.
 */
export function writeRequestedIpam(directory: string): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, requestedIpam), `#!${process.execPath}\n${program}`, {
    mode: 0o755,
  });
}

const program = `'use strict';
const { spawnSync } = require('node:child_process');
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

const config = JSON.parse(readFileSync(0, 'utf8'));
const info = config.args?.['org.apache.mesos']?.network_info;
const ips = (info?.ip_addresses ?? []).map((entry) => entry.ip_address);
if (ips.length > 0) config.args.cni = { ...config.args.cni, ips };
config.ipam.type = 'host-local';

const paths = (process.env.CNI_PATH ?? '').split(':').map((path) => join(path, 'host-local'));
const plugin = paths.find((path) => existsSync(path)) ?? 'host-local';
const done = spawnSync(plugin, [], { input: JSON.stringify(config) });
process.stdout.write(done.stdout ?? '');
process.stderr.write(done.stderr ?? '');
process.exitCode = done.status ?? 1;
`;
