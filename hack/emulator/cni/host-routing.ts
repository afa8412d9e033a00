import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';

export interface HostPaths {
  /** Where the emulators of this machine note that they run; gone after a reboot, as the settings are. */
  claims: string;
  /** The kernel's. */
  proc: string;
}

const hostPaths: HostPaths = { claims: '/run/mesocosm-emulators', proc: '/proc' };

/** Plugins that make the host a router switch these on and never back. */
const settings = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding'];

const claimSchema = z.object({
  /** Where the emulator has its networks. */
  directory: z.string(),
  pid: z.int(),
  /** When the process started, in ticks since the machine did: a pid is used again. */
  started: z.string(),
  /** Values from before any emulator, by path below /proc/sys. */
  before: z.record(z.string(), z.string()),
});
type Claim = z.infer<typeof claimSchema>;

/**
 * Several emulators may run on a machine, and one may be killed: only the first one sees what the
 * settings were before, and only the last one may set them back. Answers the directories of those that
 * were killed and left theirs.
 */
export function claimRouting(directory: string, paths = hostPaths): string[] {
  const others = claimsIn(paths);
  const before = others[0]?.before ?? currentSettings(paths);
  mkdirSync(paths.claims, { recursive: true });
  const started = startOf(process.pid, paths) ?? '';
  const claim: Claim = { directory: resolve(directory), pid: process.pid, started, before };
  const file = fileOf(directory, paths);
  // At once: another emulator may be reading all of them.
  writeFileSync(`${file}.new`, JSON.stringify(claim));
  renameSync(`${file}.new`, file);
  return others.filter((other) => !isAlive(other, paths)).map((other) => other.directory);
}

/** Sets back what was switched on, unless another emulator still needs it. */
export function releaseRouting(directory: string, paths = hostPaths): void {
  const claims = claimsIn(paths);
  const own = claims.find((claim) => claim.directory === resolve(directory));
  if (own === undefined) return;
  rmSync(fileOf(directory, paths), { force: true });
  if (claims.some((claim) => claim !== own && isAlive(claim, paths))) return;
  const current = currentSettings(paths);
  for (const [name, value] of Object.entries(own.before)) {
    if (current[name] !== value) writeFileSync(join(paths.proc, 'sys', name), value);
  }
}

function claimsIn({ claims }: HostPaths): Claim[] {
  if (!existsSync(claims)) return [];
  return readdirSync(claims)
    .filter((name) => !name.endsWith('.new'))
    .flatMap((name) => {
      const text = textOf(join(claims, name));
      return text === undefined ? [] : [claimSchema.parse(JSON.parse(text))];
    });
}

/** Undefined if the file is gone, as when another emulator has ended meanwhile. */
function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

function fileOf(directory: string, { claims }: HostPaths): string {
  return join(claims, createHash('sha256').update(resolve(directory)).digest('hex').slice(0, 16));
}

function currentSettings({ proc }: HostPaths): Record<string, string> {
  const present = settings.filter((name) => existsSync(join(proc, 'sys', name)));
  return Object.fromEntries(
    present.map((name) => [name, readFileSync(join(proc, 'sys', name), 'utf8').trim()]),
  );
}

function isAlive({ pid, started }: Claim, paths: HostPaths): boolean {
  return startOf(pid, paths) === started;
}

/** Field 22 of proc(5)'s stat; the name before it may have spaces and brackets. */
function startOf(pid: number, { proc }: HostPaths): string | undefined {
  const text = textOf(join(proc, String(pid), 'stat'));
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}
