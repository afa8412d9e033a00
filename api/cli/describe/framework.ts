import type { Agent } from '../../v1/agent.ts';
import type { Lease } from '../../v1/core.ts';
import type { Framework } from '../../v1/framework.ts';
import { since } from '../../machinery/age.ts';
import { conditionsTable } from './common.ts';
import { fields, section, tableSection } from './text.ts';

/** What is known of our place in Mesos. */
export interface FrameworkView {
  frameworks: readonly Framework[];
  leases: readonly Lease[];
  agents: readonly Agent[];
  /** Answer of /readyz. */
  ready: { ok: boolean; text: string };
}

export function describeFramework(view: FrameworkView, now: number): string[] {
  const { frameworks, leases, agents, ready } = view;
  const active = agents.filter(({ status }) => status?.active === true);
  const closed = agents.filter(({ spec }) => spec.unschedulable === true);
  return [
    ...(frameworks.length === 0
      ? ['Framework:  <none: no cosmd has run its controllers yet>']
      : frameworks.flatMap((framework) => frameworkLines(framework, now))),
    ...tableSection(
      'Leaders',
      ['LEASE', 'HOLDER', 'SINCE', 'RENEWED'],
      leases.map(({ metadata, spec }) => [
        `${metadata.namespace ?? ''}/${metadata.name}`,
        spec?.holderIdentity ?? '<nobody>',
        since(spec?.acquireTime, now),
        `${since(spec?.renewTime, now)} ago`,
      ]),
    ),
    ...fields([
      ['Agents', `${active.length} active of ${agents.length}, ${closed.length} unschedulable`],
      ['Server', ready.ok ? 'ready' : 'not ready'],
    ]),
    ...section(
      'Checks',
      ready.text
        .trimEnd()
        .split('\n')
        .filter((line) => /^\[[+-]\]/.test(line)),
    ),
  ];
}

function frameworkLines({ metadata, status }: Framework, now: number): string[] {
  const state = status?.state ?? 'Registering';
  const reason = status?.reason === undefined ? '' : ` (${status.reason})`;
  return [
    ...fields([
      ['Framework', metadata.name],
      ['ID', status?.id ?? '<none yet>'],
      ['State', `${state}${reason}`],
      ['Message', status?.message],
      ['Master', masterText(status, now)],
    ]),
    ...conditionsTable(status?.conditions, now),
  ];
}

function masterText(status: Framework['status'], now: number): string | undefined {
  if (status?.masterAddress === undefined) return undefined;
  const when =
    status.subscribedTime === undefined
      ? ''
      : `, subscribed ${since(status.subscribedTime, now)} ago`;
  return `${status.masterAddress} (${status.masterId ?? 'no id'})${when}`;
}
