import { isConditionTrue } from '../../api/machinery/conditions.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import {
  frameworkAnnotations,
  frameworkResource,
  isReplacingHeld,
} from '../../api/v1/framework.ts';
import { releaseHeldAnnotation, serverSetResource } from '../../api/v1/serverset.ts';
import type { World } from './world.ts';

/** Operators look at what the brakes hold, find that all is well again, and let it go. */
export function releaseHeld(world: World): void {
  void release(world);
}

async function release(world: World): Promise<void> {
  const frameworks = world.user.of(frameworkResource);
  const serverSets = world.user.of(serverSetResource);
  for (const framework of (await frameworks.list({})).items) {
    if (!isReplacingHeld(framework)) continue;
    const annotations = { [frameworkAnnotations.releaseReplacing]: 'true' };
    await unlessGone(frameworks.patch(framework.metadata, { metadata: { annotations } }, merge));
  }
  for (const serverSet of (await serverSets.list({})).items) {
    if (!isConditionTrue(serverSet.status?.conditions, 'Held')) continue;
    const annotations = { [releaseHeldAnnotation]: 'true' };
    await unlessGone(serverSets.patch(serverSet.metadata, { metadata: { annotations } }, merge));
  }
}

const merge = { type: 'merge' } as const;

async function unlessGone(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!isApiError(error, 'NotFound')) throw error;
  }
}
