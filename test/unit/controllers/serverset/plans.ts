import type { ServerSet } from '../../../../api/v1/serverset.ts';
import type { Task } from '../../../../api/v1/task.ts';
import { memberBody, recognise } from '../../../../controllers/serverset/body.ts';
import { desiredMembers, isSelected } from '../../../../controllers/serverset/desired.ts';
import { endpointsOf } from '../../../../controllers/serverset/member.ts';
import type { ObservedNode, Plan, PlanContext } from '../../../../controllers/serverset/plan.ts';
import { planMembers } from '../../../../controllers/serverset/plan.ts';
import { clusterName, serverSet } from './objects.ts';

export const later = '2026-01-01T00:00:09.000000Z';

export interface Situation {
  set?: ServerSet;
  tasks: readonly Task[];
  nodes: readonly ObservedNode[];
  held?: ReadonlySet<string>;
  reused?: ReadonlySet<string>;
  /** Names of nodes. */
  purged?: ReadonlySet<string>;
  stoppingForMs?: number;
  mode?: PlanContext['mode'];
}

export function plan(situation: Situation): Plan {
  const { set = serverSet(), tasks, nodes, mode = 'publish' } = situation;
  return planMembers(nodes, {
    clusterName,
    mode,
    deleting: set.metadata.deletionTimestamp !== undefined,
    drainMs: (set.spec.drainSeconds ?? 5) * 1000,
    sharded: true,
    desired: desiredMembers(set, tasks),
    taskOf: (uid) => tasks.find(({ metadata }) => metadata.uid === uid),
    isSelected: (each) => isSelected(set, each),
    endpointsOf: (each) => {
      const endpoints = endpointsOf(each, set.spec);
      return 'reason' in endpoints ? undefined : endpoints;
    },
    isAddressReused: ({ metadata }) => situation.reused?.has(metadata.uid) ?? false,
    isHeld: ({ metadata }) => situation.held?.has(metadata.uid) ?? false,
    isPurged: ({ name }) => situation.purged?.has(name) ?? false,
    stoppingForMs: ({ ours }) =>
      ours?.stoppingSince === later ? 0 : (situation.stoppingForMs ?? 0),
    now: later,
  });
}

export function bodyOf(of: Task, stoppingSince?: string): string {
  const endpoints = endpointsOf(of, serverSet().spec);
  if ('reason' in endpoints) throw new Error(endpoints.reason);
  const { uid } = of.metadata;
  return memberBody({
    clusterName,
    taskUid: uid,
    endpoints,
    shard: of.spec.instance,
    stoppingSince,
  });
}

export function node(number: number, body: string): ObservedNode {
  const name = `member_${String(number).padStart(10, '0')}`;
  return { name, version: 0, body, ours: recognise(body, clusterName) };
}

export const foreign =
  '{"status":"ALIVE","additionalEndpoints":{},"serviceEndpoint":{"host":"h","port":1}}';
export const stop = { stop: { reason: 'ScaleDown' as const } };

/** What the nodes are once a plan is carried out. */
export function applied(nodes: readonly ObservedNode[], made: Plan): ObservedNode[] {
  const gone = new Set(
    [...made.remove, ...made.release, ...made.replace].map((each) => each.node.name),
  );
  const rewritten = new Map(
    [...made.update, ...made.withdraw].map((each) => [each.node.name, each.body]),
  );
  const numbers = nodes.map(({ name }) => Number(name.slice(7)));
  const from = Math.max(0, ...numbers) + 1;
  return [
    ...nodes
      .filter(({ name }) => !gone.has(name))
      .map((each) => {
        const body = rewritten.get(each.name);
        return body === undefined
          ? each
          : { ...each, body, version: each.version + 1, ours: recognise(body, clusterName) };
      }),
    ...[...made.replace, ...made.create].map(({ body }, index) => node(from + index, body)),
  ];
}

export function touched(made: Plan): ObservedNode[] {
  return [...made.update, ...made.replace, ...made.withdraw, ...made.remove, ...made.release].map(
    (each) => each.node,
  );
}
