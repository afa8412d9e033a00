import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerSpec } from '../runtime.ts';

/** Where an agent keeps things, in Mesos' layout. */
export interface AgentPaths {
  /** Sandboxes, and what must survive a restart. */
  readonly workDir: string;
  /** What dies with the machine: namespaces and the records of running containers. */
  readonly runtimeDir: string;
}

export function sandboxOf(
  paths: AgentPaths,
  agentId: string,
  { frameworkId, executorId, taskId, id }: ContainerSpec,
): string {
  const runs = runsOf(paths, agentId, frameworkId, executorId);
  return id.parent === undefined
    ? join(runs, id.value)
    : join(runs, id.parent.value, 'tasks', taskId ?? id.value);
}

export function runsOf(
  { workDir }: AgentPaths,
  agentId: string,
  frameworkId: string,
  executorId: string,
): string {
  return join(
    workDir,
    'slaves',
    agentId,
    'frameworks',
    frameworkId,
    'executors',
    executorId,
    'runs',
  );
}

/** The directory of a container, and `runs/latest` that names the newest. */
export function createSandbox(paths: AgentPaths, agentId: string, spec: ContainerSpec): string {
  const sandbox = sandboxOf(paths, agentId, spec);
  mkdirSync(sandbox, { recursive: true });
  if (spec.id.parent === undefined) {
    const latest = join(runsOf(paths, agentId, spec.frameworkId, spec.executorId), 'latest');
    rmSync(latest, { force: true });
    symlinkSync(spec.id.value, latest);
  }
  return sandbox;
}

export function containerDir({ runtimeDir }: AgentPaths, id: string): string {
  return join(runtimeDir, 'containers', id);
}

export function namespaceOf({ runtimeDir }: AgentPaths, id: string): string {
  return join(runtimeDir, 'isolators', 'network', 'cni', id, 'ns');
}

/**
 * The file that a path of the agent's files API means: the virtual
 * `/frameworks/F/executors/E/runs/latest/…`, or a path in the work directory. Undefined otherwise.
 */
export function resolveFile(
  { workDir }: AgentPaths,
  agentId: string,
  path: string,
): string | undefined {
  if (path.split('/').includes('..')) return undefined;
  const slaves = join(workDir, 'slaves');
  const real = path.startsWith('/frameworks/') ? join(slaves, agentId, path) : path;
  return real.startsWith(`${slaves}/`) && existsSync(real) ? real : undefined;
}
