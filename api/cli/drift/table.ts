import type { DriftRun, DriftVerdict, FrameworkDrift, JobDrift } from '../../v1/drift.ts';
import { columnWidths, formatRow, singleLine, type Cell } from '../output/columns.ts';
import type { Painter } from '../output/paint.ts';

/** The report as a person reads it: a line for each run of each instance, then what differs and why. */
export function driftLines(
  jobs: readonly JobDrift[],
  framework: FrameworkDrift | undefined,
  painter: Painter,
): string[] {
  return [
    tableLines(jobs, painter),
    findingLines(jobs, framework),
    unreadLines(jobs, framework),
  ].reduce((above, lines) =>
    above.length === 0 || lines.length === 0 ? [...above, ...lines] : [...above, '', ...lines],
  );
}

function tableLines(jobs: readonly JobDrift[], painter: Painter): string[] {
  const titles = ['Namespace', 'Job', 'Instance', 'Verdict', 'Spec', 'Etcd', 'Mesos', 'ZooKeeper'];
  const rows = jobs.flatMap((job) =>
    jobRows(job).map((cells) =>
      cells.map((text, index): Cell => {
        const paint = titles[index] === 'Verdict' ? verdictPaint(painter, text) : undefined;
        return { text: singleLine(text), ...(paint === undefined ? {} : { paint }) };
      }),
    ),
  );
  if (rows.length === 0) return [];
  const header = titles.map((title) => ({ text: title.toUpperCase(), paint: painter.header }));
  const widths = columnWidths([header, ...rows]);
  return [header, ...rows].map((row) => formatRow(row, widths));
}

function jobRows(job: JobDrift): string[][] {
  const { namespace = '', name = '' } = job.metadata;
  const unreadPath = job.truths.some((truth) => !truth.readable && /^ZooKeeper/.test(truth.name));
  return job.instances.flatMap(({ instance, verdict, spec, tasks }) => {
    const head = [namespace, name, String(instance), verdict];
    const wanted = spec.wanted ? (spec.revision ?? 'wanted') : 'not wanted';
    if (tasks.length === 0) return [[...head, wanted, '<none>', '<none>', '<none>']];
    return tasks.map((run) => [
      ...head,
      wanted,
      etcdText(run),
      mesosText(run),
      memberText(run, unreadPath),
    ]);
  });
}

function etcdText({ etcd }: DriftRun): string {
  const ips = etcd.networks.flatMap((network) => network.ips).join(',');
  const phase = etcd.stopping ? 'Stopping' : etcd.phase;
  const isReady = etcd.phase !== 'Running' || etcd.ready;
  return [etcd.task, isReady ? phase : `${phase} (not ready)`, ips].filter(Boolean).join(' ');
}

function mesosText({ etcd, mesos }: DriftRun): string {
  if (mesos.tasks === undefined) return '<unread>';
  const ips = (mesos.container?.networks ?? []).flatMap((network) => network.ips).join(',');
  const states = mesos.tasks.map(({ state, agentId }) => {
    const agent = agentId === etcd.agentId ? (etcd.agentHostname ?? agentId) : agentId;
    return `${state.replace(/^TASK_/, '')} ${agent}`;
  });
  return [[...new Set(states)].join(' + ') || '<none>', ips].filter(Boolean).join(' ');
}

function memberText({ zookeeper }: DriftRun, unreadPath: boolean): string {
  const members = zookeeper.map(({ node, host = '?', port = '?', status = '?' }) => {
    return `${node} ${host.includes(':') ? `[${host}]` : host}:${port} ${status}`;
  });
  return members.join(' + ') || (unreadPath ? '<unread>' : '<none>');
}

function verdictPaint(painter: Painter, verdict: string): ((text: string) => string) | undefined {
  if (verdict === 'Drift') return painter.bad;
  return painter.cell('Verdict', verdict);
}

function findingLines(jobs: readonly JobDrift[], framework: FrameworkDrift | undefined): string[] {
  const line = (
    about: string,
    { verdict, reason, message }: { verdict: DriftVerdict; reason: string; message: string },
  ): string => `${about}: ${verdict} ${reason}: ${singleLine(message)}`;
  const lines = jobs.flatMap((job) => {
    const about = `job/${job.metadata.name ?? ''}`;
    return [
      ...finishLines(about, job),
      ...job.findings.map((finding) => line(about, finding)),
      ...job.instances.flatMap(({ instance, findings }) =>
        findings.map((finding) => line(`${about} instance ${instance}`, finding)),
      ),
      ...job.unexplained.map((finding) => line(about, finding)),
    ];
  });
  lines.push(...(framework?.unexplained ?? []).map((finding) => line('of no job', finding)));
  return lines;
}

/** A Job that has ended has nothing more to run, whatever its spec asks for. */
function finishLines(about: string, { finish }: JobDrift): string[] {
  if (finish === undefined) return [];
  const { type, reason, message } = finish;
  return [
    `${about}: ${type} ${reason}: ${singleLine(message)}. It has ended: nothing more will run`,
  ];
}

/** Each once, however many Jobs it is about. */
function unreadLines(jobs: readonly JobDrift[], framework: FrameworkDrift | undefined): string[] {
  const truths = [...jobs, ...(framework === undefined ? [] : [framework])].flatMap(
    (one) => one.truths,
  );
  const unread = truths.filter(({ readable }) => !readable);
  const lines = unread.map(
    ({ name, message = '' }) => `cannot read ${name}: ${singleLine(message)}`,
  );
  return [...new Set(lines)];
}
