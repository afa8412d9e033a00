import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { AgentInfo } from '../../../proto/mesos/generated/messages.ts';

/** What masters agree on across failovers: in Mesos the replicated log. */
const registryContent = z.object({
  admitted: z.record(
    z.string(),
    z.custom<AgentInfo>((value) => typeof value === 'object'),
  ),
  /** Agent id to the time it became unreachable, nanoseconds since the epoch. */
  unreachable: z.record(z.string(), z.number()),
  gone: z.array(z.string()),
});
export type RegistryContent = z.infer<typeof registryContent>;

export interface Registry {
  read(): RegistryContent;
  write(content: RegistryContent): void;
}

export function memoryRegistry(): Registry {
  let content: RegistryContent = { admitted: {}, unreachable: {}, gone: [] };
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
      if (text === undefined) return { admitted: {}, unreachable: {}, gone: [] };
      return registryContent.parse(JSON.parse(text));
    },
    write: (content) => {
      writeFileSync(`${path}.next`, JSON.stringify(content));
      renameSync(`${path}.next`, path);
    },
  };
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
