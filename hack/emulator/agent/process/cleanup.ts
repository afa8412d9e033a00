import { removeNamespace } from '../../cni/namespace.ts';
import { detach, type CniOptions } from '../../cni/plugin.ts';
import { inHashOrder } from '../../networks.ts';
import { removeMemoryGroup } from './cgroup.ts';
import type { AgentPaths } from './paths.ts';
import { isAlive, signal } from './proc.ts';
import { removeRecord, type ContainerRecord } from './record.ts';

/** Undoes everything that a record says was done; what cannot be undone is logged, and the rest is. */
export async function dismantle(
  paths: AgentPaths,
  cni: CniOptions,
  record: ContainerRecord,
  log: (message: string) => void,
): Promise<void> {
  const { id, process: outer, attachments, namespace, cgroup } = record;
  if (outer !== undefined && isAlive(outer)) {
    signal(outer.pid, 'SIGKILL');
    await gone(() => isAlive(outer));
  }
  const results = await Promise.allSettled(
    inHashOrder(attachments, ({ config }) => config.name).map((attachment) =>
      // A DEL that a crash cut short can fail once over what it had already removed.
      detach(cni, attachment).catch(() => detach(cni, attachment)),
    ),
  );
  for (const result of results) {
    if (result.status === 'rejected') log(`container ${id}: ${String(result.reason)}`);
  }
  if (namespace !== undefined) await removeNamespace(namespace);
  if (cgroup !== undefined) removeMemoryGroup(cgroup);
  removeRecord(paths, id);
}

/** Waits for the end of what was killed; the kernel needs a moment for a whole namespace. */
async function gone(alive: () => boolean): Promise<void> {
  const giveUp = performance.now() + 30_000;
  for (let wait = 1; alive() && performance.now() < giveUp; wait = Math.min(2 * wait, 200)) {
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
