import { appendFileSync, closeSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type {
  AgentInfo,
  DrainInfo,
  MachineID,
  MaintenanceSchedule,
} from '../../../proto/mesos/generated/messages.ts';

/** Planned absences of machines, and those that are down by now. */
export interface Maintenance {
  readonly schedule: MaintenanceSchedule;
  readonly down: readonly MachineID[];
}

const agentInfo = z.custom<AgentInfo>(isObject);
/** Nanoseconds since the epoch. */
const instant = z.number();

/** What is replaced as a whole: it changes seldom. */
const parts = z.object({
  gone: z.array(z.string()),
  draining: z.record(z.string(), z.custom<DrainInfo>(isObject)),
  deactivated: z.array(z.string()),
  maintenance: z.custom<Maintenance>(isObject),
});
type Parts = z.infer<typeof parts>;

/** One change, and one line of the file. */
const change = z.union([
  z.strictObject({ admit: z.string(), agent: agentInfo }),
  z.strictObject({ dismiss: z.string() }),
  z.strictObject({ unreachable: z.string(), since: instant }),
  z.strictObject({ reachable: z.string() }),
  z.strictObject({ set: parts.partial() }),
]);
type Change = z.infer<typeof change>;

/** What masters agree on across failovers: in Mesos the replicated log. */
export interface RegistryContent extends Readonly<Parts> {
  readonly admitted: ReadonlyMap<string, AgentInfo>;
  /** Agent id to the time it became unreachable, nanoseconds since the epoch. */
  readonly unreachable: ReadonlyMap<string, number>;
}

/** Each change costs the same, however many agents there are: thousands may come or go at once. */
export interface Registry {
  /** As it is now and as later changes make it. */
  read(): RegistryContent;
  /** Applies and keeps a change. */
  write(change: Change): void;
}

export function memoryRegistry(): Registry {
  const content = new Content();
  return {
    read: () => content,
    write: (next) => {
      content.apply(next);
    },
  };
}

/** A file that the masters of one emulated cluster share, a change on each line; the leader writes. */
export function fileRegistry(path: string): Registry {
  mkdirSync(dirname(path), { recursive: true });
  const content = new Content();
  let known = 0;
  /** What another master has written since. */
  const read = (): Content => {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size === known) return content;
    for (const line of textBetween(path, known, size).split('\n')) {
      if (line !== '') content.apply(change.parse(JSON.parse(line)));
    }
    known = size;
    return content;
  };
  return {
    read,
    write: (next) => {
      read();
      const line = Buffer.from(`${JSON.stringify(next)}\n`);
      appendFileSync(path, line);
      known += line.length;
      content.apply(next);
    },
  };
}

class Content implements RegistryContent {
  readonly admitted = new Map<string, AgentInfo>();
  readonly unreachable = new Map<string, number>();
  gone: Parts['gone'] = [];
  draining: Parts['draining'] = {};
  deactivated: Parts['deactivated'] = [];
  maintenance: Parts['maintenance'] = { schedule: {}, down: [] };

  apply(next: Change): void {
    if ('admit' in next) this.admitted.set(next.admit, next.agent);
    else if ('dismiss' in next) this.admitted.delete(next.dismiss);
    else if ('unreachable' in next) this.unreachable.set(next.unreachable, next.since);
    else if ('reachable' in next) this.unreachable.delete(next.reachable);
    else Object.assign(this, next.set);
  }
}

function textBetween(path: string, from: number, to: number): string {
  const bytes = Buffer.alloc(to - from);
  const file = openSync(path, 'r');
  try {
    readSync(file, bytes, 0, bytes.length, from);
  } finally {
    closeSync(file);
  }
  return bytes.toString('utf8');
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
