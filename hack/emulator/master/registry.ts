import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
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

/** What masters agree on across failovers: in Mesos the replicated log. */
const registryContent = z.object({
  admitted: z.record(z.string(), z.custom<AgentInfo>(isObject)),
  /** Agent id to the time it became unreachable, nanoseconds since the epoch. */
  unreachable: z.record(z.string(), z.number()),
  gone: z.array(z.string()),
  draining: z.record(z.string(), z.custom<DrainInfo>(isObject)).default({}),
  deactivated: z.array(z.string()).default([]),
  maintenance: z.custom<Maintenance>(isObject).default({ schedule: {}, down: [] }),
});
export type RegistryContent = z.infer<typeof registryContent>;

export interface Registry {
  read(): RegistryContent;
  write(content: RegistryContent): void;
}

export function memoryRegistry(): Registry {
  let content = empty();
  return {
    read: () => content,
    write: (next) => {
      content = next;
    },
  };
}

/** A file that the masters of one emulated cluster share; only the leader writes. */
export function fileRegistry(path: string): Registry {
  mkdirSync(dirname(path), { recursive: true });
  return {
    read: () => {
      const text = readIfPresent(path);
      return text === undefined ? empty() : registryContent.parse(JSON.parse(text));
    },
    write: (content) => {
      writeFileSync(`${path}.next`, JSON.stringify(content));
      renameSync(`${path}.next`, path);
    },
  };
}

function empty(): RegistryContent {
  return registryContent.parse({ admitted: {}, unreachable: {}, gone: [] });
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
