import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { NetworkInfo } from '../../../../proto/mesos/generated/messages.ts';
import { containerDir, type AgentPaths } from './paths.ts';

const attachment = z.object({
  config: z.looseObject({ name: z.string(), type: z.string() }),
  containerId: z.string(),
  namespace: z.string(),
  interfaceName: z.string(),
  network: z.custom<NetworkInfo>((value) => typeof value === 'object' && value !== null),
});

const containerRecord = z.object({
  id: z.string(),
  parent: z.string().optional(),
  taskId: z.string().optional(),
  sandbox: z.string(),
  /** The outermost process: unshare, whose end ends the whole container. */
  process: z.object({ pid: z.number(), startTime: z.string() }).optional(),
  /** Its own namespace; absent if it shares one. */
  namespace: z.string().optional(),
  attachments: z.array(attachment),
  cgroup: z.string().optional(),
});

/** What must be undone for a container, kept on disk from before it is done. */
export type ContainerRecord = z.infer<typeof containerRecord>;

export function writeRecord(paths: AgentPaths, record: ContainerRecord): void {
  writeFileSync(join(containerDir(paths, record.id), 'container.json'), JSON.stringify(record));
}

export function readRecord(paths: AgentPaths, id: string): ContainerRecord | undefined {
  const path = join(containerDir(paths, id), 'container.json');
  if (!existsSync(path)) return undefined;
  return containerRecord.parse(JSON.parse(readFileSync(path, 'utf8')));
}

export function removeRecord(paths: AgentPaths, id: string): void {
  rmSync(containerDir(paths, id), { recursive: true, force: true });
}

/** Ids of all containers that have left a trace. */
export function recordedContainers({ runtimeDir }: AgentPaths): string[] {
  const directory = join(runtimeDir, 'containers');
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** The wait status that the executor wrote, if the command has ended. */
export function readStatus(paths: AgentPaths, id: string): number | undefined {
  const path = statusFile(paths, id);
  return existsSync(path) ? Number(readFileSync(path, 'utf8')) : undefined;
}

export function statusFile(paths: AgentPaths, id: string): string {
  return join(containerDir(paths, id), 'status');
}
