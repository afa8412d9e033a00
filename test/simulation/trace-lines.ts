import type { SchedulerCall } from '../../proto/mesos/generated/messages.ts';
import type { ObservedStore, StoreWrite } from './store.ts';
import { isDead, isTrue, isUnwanted, memberFacts, phaseOf, prefixes } from './views.ts';
import type { Transaction } from './zookeeper/tree.ts';

export function traceOfWrite(
  { writer, key, revision, before, after }: StoreWrite,
  store: ObservedStore,
): string {
  const verb = after === undefined ? 'deletes' : before === undefined ? 'creates' : 'updates';
  return `${writer} ${verb} ${key} @${revision}${detailOf(key, after, store)}`;
}

function detailOf(key: string, after: StoreWrite['after'], store: ObservedStore): string {
  if (after === undefined || !key.startsWith(prefixes.tasks)) return '';
  const task = store.taskOf(after);
  const marks = [
    phaseOf(task),
    isTrue(task, 'Ready') && !isDead(task) ? 'ready' : '',
    isUnwanted(task) ? `stop:${task.spec.stop?.reason ?? 'deleted'}` : '',
    ...task.metadata.finalizers.map((finalizer) => finalizer.replace('mesocosm.dev/', '+')),
  ];
  return ` (${marks.filter((mark) => mark !== '').join(' ')})`;
}

export function traceOfCommit(
  writer: string | undefined,
  { zxid, changes, events }: Transaction,
): string {
  const parts = events
    .filter(({ type }) => type !== 'children')
    .map(({ type, path }) => {
      const data = changes.get(path)?.data;
      const member = data === undefined ? undefined : memberFacts(data);
      return `${type} ${path}${member === undefined ? '' : ` (${member.status} ${member.host} shard ${member.shard ?? '-'})`}`;
    });
  return `${writer ?? 'somebody'} zookeeper ${zxid}: ${parts.join(', ')}`;
}

export function traceOfCall(process: string, call: SchedulerCall): string {
  const { accept, kill, acknowledge, reconcile } = call;
  const launched = (accept?.operations ?? []).flatMap(({ launch, launch_group: group }) =>
    [...(launch?.task_infos ?? []), ...(group?.task_group.tasks ?? [])].map(
      ({ task_id: id }) => id.value,
    ),
  );
  const about =
    kill?.task_id.value ??
    acknowledge?.task_id.value ??
    (reconcile === undefined ? launched.join(' ') : `${reconcile.tasks?.length ?? 0} tasks`);
  return `${process} mesos ${call.type ?? ''} ${about}`.trimEnd();
}
