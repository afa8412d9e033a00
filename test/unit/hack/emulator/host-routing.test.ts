import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  claimRouting,
  releaseRouting,
  type HostPaths,
} from '../../../../hack/emulator/cni/host-routing.ts';

// A machine of files: nothing here touches the kernel.
let root: string;
let paths: HostPaths;
const setting = (): string => join(paths.proc, 'sys/net/ipv4/ip_forward');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mesocosm-routing-'));
  paths = { claims: join(root, 'claims'), proc: join(root, 'proc') };
  mkdirSync(join(paths.proc, 'sys/net/ipv4'), { recursive: true });
  writeFileSync(setting(), '0\n');
  runs(process.pid, '100');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function runs(pid: number, started: string): void {
  mkdirSync(join(paths.proc, String(pid)), { recursive: true });
  const fields = ['S', ...Array.from({ length: 18 }, () => '0'), started, '0'];
  writeFileSync(
    join(paths.proc, String(pid), 'stat'),
    `${pid} (an (odd) name) ${fields.join(' ')}`,
  );
}

const forward = (): string => readFileSync(setting(), 'utf8').trim();
/** As the plugins do. */
const switchOn = (): void => writeFileSync(setting(), '1');
/** The emulator that claimed for this directory is killed: its pid belongs to another process now. */
const killed = (): void => runs(process.pid, '200');

test('the last emulator sets back what was before the first', () => {
  expect(claimRouting('/a', paths)).toEqual([]);
  switchOn();
  expect(claimRouting('/b', paths)).toEqual([]);
  releaseRouting('/a', paths);
  expect(forward()).toBe('1');
  releaseRouting('/b', paths);
  expect(forward()).toBe('0');
});

test('what a killed emulator left is set back by the next one that ends', () => {
  claimRouting('/a', paths);
  switchOn();
  killed();
  expect(claimRouting('/b', paths)).toEqual(['/a']);
  expect(forward()).toBe('1');
  releaseRouting('/a', paths);
  expect(forward()).toBe('1');
  releaseRouting('/b', paths);
  expect(forward()).toBe('0');
});

test('also by one in the same directory, before it begins', () => {
  claimRouting('/a', paths);
  switchOn();
  killed();
  releaseRouting('/a', paths);
  expect(forward()).toBe('0');
  expect(claimRouting('/a', paths)).toEqual([]);
});

test('a machine that was a router stays one', () => {
  switchOn();
  claimRouting('/a', paths);
  releaseRouting('/a', paths);
  expect(forward()).toBe('1');
});

test('nothing is set back twice, or without a claim', () => {
  switchOn();
  releaseRouting('/a', paths);
  expect(forward()).toBe('1');
});

test('a claim that is being written is none yet', () => {
  expect(claimRouting('/a', paths)).toEqual([]);
  writeFileSync(join(paths.claims, 'other.new'), '{');
  expect(claimRouting('/b', paths)).toEqual([]);
  releaseRouting('/a', paths);
  releaseRouting('/b', paths);
});
