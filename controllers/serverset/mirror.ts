import type { Clock } from '../../api/machinery/clock.ts';
import { microTimestamp } from '../../api/machinery/clock.ts';
import { isConditionTrue } from '../../api/machinery/conditions.ts';
import type { ServerSet } from '../../api/v1/serverset.ts';
import { releaseHeldAnnotation, serverSetDefaults } from '../../api/v1/serverset.ts';
import type { Task } from '../../api/v1/task.ts';
import { phaseOf } from '../../api/v1/task.ts';
import type { Brake } from './brake.ts';
import type { ServerSetLookup } from './caches.ts';
import type { Desired } from './desired.ts';
import { isSelected, onlyJobOf } from './desired.ts';
import type { Drains } from './drains.ts';
import { endpointsOf } from './member.ts';
import type { PathView } from './path-view.ts';
import type { ObservedNode, Plan, PlanContext } from './plan.ts';
import { planMembers } from './plan.ts';
import type { Purges } from './purges.ts';
import { purgeOf } from './purges.ts';

export interface MirrorOptions {
  clusterName: string;
  lookup: ServerSetLookup;
  brake: Brake;
  drains: Drains;
  purges: Purges;
  clock: Clock;
}

export function isReleased({ metadata }: ServerSet): boolean {
  return metadata.annotations?.[releaseHeldAnnotation] === 'true';
}

/** Makes the plan for one path of a set, of what the caches, the view, the brake and the drains say. */
export class Mirror {
  readonly #options: MirrorOptions;
  /** uids of the sets whose holds of a former leader have been taken over. */
  readonly #resumed = new Set<string>();

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  plan(serverSet: ServerSet, desired: Desired, view: PathView, mode: PlanContext['mode']): Plan {
    const { clusterName, lookup, drains, purges, clock } = this.#options;
    const { spec, metadata } = serverSet;
    const nodes = view.nodes();
    const purged = purges.of(serverSet, view);
    if (mode === 'publish') this.#resumeHolds(serverSet, nodes);
    return planMembers(nodes, {
      clusterName,
      mode,
      deleting: metadata.deletionTimestamp !== undefined,
      drainMs: (spec.drainSeconds ?? serverSetDefaults.drainSeconds) * 1000,
      sharded: onlyJobOf(spec.selector) !== undefined,
      desired,
      taskOf: (uid) => lookup.taskOf(uid),
      isSelected: (task) => isSelected(serverSet, task),
      endpointsOf: (task) => {
        const endpoints = endpointsOf(task, spec);
        return 'reason' in endpoints ? undefined : endpoints;
      },
      isAddressReused: (task) => lookup.isAddressReused(task),
      isHeld: (task) => this.#isHeld(serverSet, task),
      isPurged: ({ name }) => purged.has(name),
      stoppingForMs: (node) => drains.elapsedMs(`${view.path}/${node.name}`, node),
      now: microTimestamp(clock),
    });
  }

  #isHeld(serverSet: ServerSet, { metadata: { uid } }: Task): boolean {
    const { brake, lookup } = this.#options;
    if (isReleased(serverSet) || purgeOf(serverSet) !== undefined) brake.release(uid);
    return brake.holds(uid, lookup.publishedTasks().length);
  }

  /** What a former leader held stays held, though this one has not seen all of its reasons. */
  #resumeHolds({ metadata, status }: ServerSet, nodes: readonly ObservedNode[]): void {
    if (this.#resumed.has(metadata.uid)) return;
    this.#resumed.add(metadata.uid);
    if (!isConditionTrue(status?.conditions, 'Held')) return;
    const { brake, lookup } = this.#options;
    for (const { ours } of nodes) {
      const task = ours === undefined ? undefined : lookup.taskOf(ours.taskUid);
      if (task !== undefined && phaseOf(task) === 'Unreachable') {
        brake.resumeHold(task.metadata.uid);
      }
    }
  }
}
