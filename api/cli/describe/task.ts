import type { Event } from '../../v1/core.ts';
import type { NetworkStatus, Task } from '../../v1/task.ts';
import { isDead, isReady, phaseOf } from '../../v1/task.ts';
import { since } from '../../machinery/age.ts';
import { conditionsTable, eventsTable, head } from './common.ts';
import { launchLines } from './container.ts';
import { taskProblems } from './problems.ts';
import { fields, section, tableSection, type Field } from './text.ts';

/** All that is known of a task, as lines. */
export function describeTask(task: Task, events: readonly Event[], now: number): string[] {
  const { spec, status } = task;
  return [
    ...head(task, now, [
      ['Job', `${spec.job}, instance ${spec.instance}, revision ${spec.revision}`],
      ['Restarts', String(spec.restarts)],
      ['Phase', spec.stop !== undefined && !isDead(task) ? 'Stopping' : phaseOf(task)],
      ['Ready', isReady(task) ? 'True' : 'False'],
      ['Stop', stopText(task)],
      ['Times', timesOf(task, now)],
    ]),
    ...section('Problems', taskProblems(task, now)),
    ...section('Launched', launchLines(spec)),
    ...networksTable('Networks', status?.networks),
    ...(status?.lastKnown === undefined
      ? []
      : networksTable('Last known addresses', status.lastKnown.networks)),
    ...section('Mesos', fields(mesosFields(task))),
    ...containersTable(task),
    ...conditionsTable(status?.conditions, now),
    ...eventsTable(events, now, false),
  ];
}

function stopText({ spec: { stop } }: Task): string | undefined {
  if (stop === undefined) return undefined;
  const parts = [stop.reason, stop.message, stop.deadline && `deadline ${stop.deadline}`];
  return parts.filter((part) => part).join(', ');
}

function timesOf({ status }: Task, now: number): string[] {
  const times: readonly [string, string | undefined][] = [
    ['scheduled', status?.scheduledTime],
    ['started', status?.startTime],
    ['unreachable', status?.unreachableTime],
    ['ended', status?.finishTime],
  ];
  const known = times.flatMap(([what, time]) =>
    time === undefined ? [] : [`${what} ${time} (${since(time, now)} ago)`],
  );
  return known.length === 0 ? ['<not placed yet>'] : known;
}

function networksTable(title: string, networks: readonly NetworkStatus[] | undefined): string[] {
  return tableSection(
    title,
    ['NAME', 'CNI', 'INTERFACE', 'ADDRESSES', 'VERDICT', 'MESSAGE'],
    (networks ?? []).map((network) => [
      network.name,
      network.cniName,
      network.interface,
      network.ips.join(', ') || '<none>',
      network.verdict,
      network.message ?? '',
    ]),
  );
}

function mesosFields({ status }: Task): Field[] {
  const mesos = status?.mesos;
  if (mesos === undefined) return [];
  const address = mesos.agentAddress;
  const at =
    address === undefined ? '' : ` at ${address.ip ?? address.hostname}:${String(address.port)}`;
  const agent =
    mesos.agentHostname === undefined
      ? undefined
      : `${mesos.agentHostname}${at} (${mesos.agentId ?? 'no id'})`;
  const reason = [mesos.source, mesos.reason].filter((part) => part).join(', ');
  return [
    [
      'State',
      mesos.state === undefined
        ? undefined
        : `${mesos.state}${reason === '' ? '' : ` (${reason})`}`,
    ],
    ['Message', mesos.message],
    ['Agent', agent],
    ['Task ID', mesos.taskId],
    ['Framework ID', mesos.frameworkId],
    ['Executor ID', mesos.executorId],
    ['Container ID', mesos.containerId],
    ['Host ports', status?.ports?.map(({ name, hostPort }) => `${name} ${hostPort}`).join(', ')],
  ];
}

function containersTable({ status }: Task): string[] {
  const containers = status?.containers ?? [];
  if (containers.length === 0) return [];
  return tableSection(
    'Containers',
    ['NAME', 'STATE', 'LIVENESS', 'READINESS', 'REASON', 'MESSAGE'],
    containers.map(({ name, state, healthy, probe, reason, message }) => [
      name,
      state ?? '<none>',
      healthy === undefined ? '<none>' : healthy ? 'Succeeded' : 'Failed',
      probe ?? '<none>',
      reason ?? '',
      message ?? '',
    ]),
  );
}
