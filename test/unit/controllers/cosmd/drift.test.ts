import { describe, expect, it } from 'vitest';
import type { TaskStatus } from '../../../../api/v1/task.ts';
import { compareFramework } from '../../../../controllers/cosmd/drift/compare.ts';
import { clusterName, serverSet, stamp } from '../serverset/objects.ts';
import {
  bodyOf,
  compare,
  findings,
  node,
  now,
  observedOf,
  path,
  run,
  start,
  storedOf,
  taskIdOf,
  world,
  type World,
} from './drift-world.ts';

function change(made: World, instance: number, status: Partial<TaskStatus>): void {
  made.tasks = made.tasks.map((task) =>
    task.spec.instance === instance
      ? { ...task, status: { phase: 'Running', ...task.status, ...status } }
      : task,
  );
}

const stopped = { stop: { reason: 'ScaleDown' as const } };
const justNow = new Date(now - 2_000).toISOString();

function ready(status: 'True' | 'False', lastTransitionTime: string): Partial<TaskStatus> {
  return {
    conditions: [{ type: 'Ready', status, reason: 'Test', message: '', lastTransitionTime }],
  };
}

describe('four truths that agree', () => {
  it('are shown side by side', () => {
    const report = compare(world(1));
    expect(report).toMatchObject({ verdict: 'Agrees', findings: [], unexplained: [] });
    expect(report.instances).toEqual([
      {
        instance: 0,
        verdict: 'Agrees',
        spec: { wanted: true, revision: 'web-1', networks: ['dev-net', 'data-net'] },
        findings: [],
        tasks: [
          {
            etcd: {
              task: 'web-0-uid-web-0',
              uid: 'uid-web-0',
              phase: 'Running',
              ready: true,
              stopping: false,
              revision: 'web-1',
              mesosTaskIds: [taskIdOf(0)],
              states: ['TASK_RUNNING'],
              agentId: 'S0',
              agentHostname: 's0.test',
              networks: [
                { name: 'dev-net', ips: ['172.29.11.10'] },
                { name: 'data-net', ips: ['172.29.12.10', 'fd29:12::10'] },
              ],
            },
            mesos: {
              tasks: [{ taskId: taskIdOf(0), state: 'TASK_RUNNING', agentId: 'S0' }],
              container: {
                containerId: 'C-web-0-uid-web-0',
                networks: [
                  { name: 'dev-net', ips: ['172.29.11.10'] },
                  { name: 'data-net', ips: ['172.29.12.10', 'fd29:12::10'] },
                ],
              },
            },
            zookeeper: [
              {
                path,
                node: 'member_0000000000',
                host: '172.29.11.10',
                port: 8080,
                status: 'ALIVE',
              },
            ],
          },
        ],
      },
    ]);
  });

  it('name each that was asked', () => {
    expect(compare(world(2)).truths).toEqual([
      { name: 'Mesos master', readable: true },
      { name: 'Mesos agent s0.test', readable: true },
      { name: 'Mesos agent s1.test', readable: true },
      { name: `ZooKeeper ${path}`, readable: true },
    ]);
  });
});

describe('a task', () => {
  it('that Mesos does not have, has as dead, or has elsewhere is drift', () => {
    const made = world();
    made.master.delete(taskIdOf(0));
    made.master.set(taskIdOf(1), { taskId: taskIdOf(1), state: 'TASK_FAILED', agentId: 'S1' });
    made.master.set(taskIdOf(2), { taskId: taskIdOf(2), state: 'TASK_RUNNING', agentId: 'S9' });
    expect(findings(made)).toEqual([
      '0 Drift UnknownToMesos',
      '1 Drift DeadInMesos',
      '2 Drift AgentDiffers',
    ]);
  });

  it('that is dead in etcd and runs in Mesos is drift, whatever instance it was', () => {
    const made = world();
    const dead = run({ uid: 'old', instance: 7, ready: false });
    made.tasks.push({ ...dead, status: { ...dead.status, phase: 'Killed' } });
    made.master.set('prod.web-7-old', {
      taskId: 'prod.web-7-old',
      state: 'TASK_RUNNING',
      agentId: 'S0',
    });
    expect(findings(made)).toEqual(['7 Drift AliveInMesos']);
  });

  it('that is dead everywhere is not worth a line', () => {
    const made = world();
    const dead = run({ uid: 'old', instance: 1, ready: false });
    made.tasks.push({ ...dead, status: { ...dead.status, phase: 'Failed' } });
    expect(compare(made).verdict).toBe('Agrees');
    expect(compare(made).instances[1]?.tasks).toHaveLength(1);
  });

  it('of which its agent has no container, or one with another address, is drift', () => {
    const made = world();
    made.agents.set('S1', []);
    const moved = run({ status: {} });
    const [container] = made.agents.get('S0') ?? [];
    if (container?.container_status === undefined) throw new Error('no container');
    container.container_status.network_infos = [
      { name: 'dev-net', ip_addresses: [{ ip_address: '172.29.11.99' }] },
    ];
    expect(moved.metadata.name).toBe('web-0-uid-web-0');
    expect(findings(made)).toEqual(['0 Drift AddressDiffers', '1 Drift NoContainer']);
    expect(compare(made).instances[0]?.findings[0]?.message).toBe(
      'web-0-uid-web-0 has 172.29.11.99 on dev-net by its agent s0.test, and 172.29.11.10 in etcd',
    );
  });

  it('whose agent tells no addresses is as it was: missing is not otherwise', () => {
    const made = world(1);
    const [container] = made.agents.get('S0') ?? [];
    if (container?.container_status === undefined) throw new Error('no container');
    container.container_status.network_infos = [];
    expect(compare(made).verdict).toBe('Agrees');
  });

  it.each([
    ['Pending', 'Pending'],
    ['Launching', 'Launching'],
    ['Starting', 'Starting'],
    ['Unreachable', 'Unreachable'],
  ] as const)('that is %s moves, whatever is not there yet', (phase, reason) => {
    const made = world(1);
    made.master.clear();
    made.agents.clear();
    made.nodes = [];
    change(made, 0, { phase, ...ready('False', stamp) });
    expect(findings(made)).toEqual([`0 Moving ${reason}`]);
    expect(compare(made).verdict).toBe('Moving');
  });

  it('that is not bound and runs all the same is drift', () => {
    const made = world(1);
    made.nodes = [];
    change(made, 0, { phase: 'Pending', ...ready('False', stamp) });
    expect(findings(made)).toEqual(['0 Moving Pending', '0 Drift NotBound']);
  });

  it('that is to stop moves, whatever Mesos and ZooKeeper still have', () => {
    const made = world(2);
    made.tasks = made.tasks.map((task) =>
      task.spec.instance === 1 ? { ...task, spec: { ...task.spec, ...stopped } } : task,
    );
    made.job.spec.replicas = 1;
    made.master.delete(taskIdOf(1));
    expect(findings(made)).toEqual(['1 Moving Stopping', '1 Moving Draining']);
  });
});

describe('an instance', () => {
  it('that is wanted and has no Task, has several, an old one, or is not wanted, is drift', () => {
    const made = world(4);
    made.job.spec.replicas = 3;
    made.tasks = made.tasks.filter(({ spec }) => spec.instance !== 0);
    made.master.delete(taskIdOf(0));
    made.nodes = made.nodes.filter(({ ours }) => ours?.taskUid !== 'uid-web-0');
    const second = run({ instance: 1, uid: 'second', ready: false });
    made.tasks.push(second);
    start(made, second);
    made.nodes.pop();
    made.tasks = made.tasks.map((task) =>
      task.spec.instance === 2 ? { ...task, spec: { ...task.spec, revision: 'web-0' } } : task,
    );
    expect(findings(made)).toEqual([
      '0 Drift NoTask',
      '1 Drift SeveralTasks',
      '2 Drift OutdatedRevision',
      '3 Drift NotWanted',
    ]);
  });

  it('may differ from a spec that has not been acted on, or of which the Job says that it is not done', () => {
    const made = world(2);
    made.job.spec.replicas = 3;
    made.job.metadata.generation = 2;
    expect(compare(made)).toMatchObject({
      verdict: 'Moving',
      findings: [{ reason: 'NotObserved' }],
    });
    made.job.status = { ...made.job.status, observedGeneration: 2 };
    expect(compare(made).verdict).toBe('Drift');
    const condition = { status: 'True' as const, message: 'why', lastTransitionTime: stamp };
    for (const type of ['Reconciling', 'Stalled']) {
      made.job.status = {
        ...made.job.status,
        conditions: [{ ...condition, type, reason: 'Because' }],
      };
      expect(compare(made)).toMatchObject({
        verdict: 'Moving',
        findings: [{ reason: type, message: 'Because: why' }],
      });
    }
  });
});

describe('a member', () => {
  it('that is missing, edited, doubled, or of a task that is not ready, is drift', () => {
    const made = world(4);
    const [missing, edited, doubled] = made.nodes;
    if (missing === undefined || edited === undefined || doubled === undefined) throw new Error();
    made.nodes = made.nodes.filter((each) => each !== missing && each !== edited);
    made.nodes.push(node(1, edited.body.replace('172.29.11.11', '10.0.0.1')));
    made.nodes.push(node(9, doubled.body));
    change(made, 3, ready('False', stamp));
    expect(findings(made)).toEqual([
      '0 Drift NoMember',
      '1 Drift MemberDiffers',
      '2 Drift DuplicateMember',
      '3 Drift StaleMember',
    ]);
    const said = compare(made).instances[1]?.findings[0]?.message;
    expect(said).toMatch(
      /member_0000000001 says 10\.0\.0\.1:8080 ALIVE and should say 172\.29\.11\.11:8080/,
    );
  });

  it('that says the right address and a wrong shard is drift', () => {
    const made = world(1);
    const [only] = made.nodes;
    made.nodes = [node(0, (only?.body ?? '').replace('"shard":0', '"shard":5'))];
    expect(findings(made)).toEqual(['0 Drift MemberDiffers']);
  });

  it('that became right or wrong a moment ago is on its way', () => {
    const made = world(2);
    made.nodes = made.nodes.slice(1);
    change(made, 0, ready('True', justNow));
    change(made, 1, ready('False', justNow));
    expect(findings(made)).toEqual(['0 Moving NoMember', '1 Moving StaleMember']);
  });

  it('of an unreachable task is held if the set says so', () => {
    const made = world(1);
    change(made, 0, { phase: 'Unreachable', ...ready('False', stamp) });
    made.master.clear();
    expect(findings(made)).toEqual(['0 Moving Unreachable', '0 Drift StaleMember']);
    const status = { observedGeneration: 1, publishedPaths: [path], held: 1 };
    made.sets = [serverSet({ status })];
    expect(findings(made)).toEqual(['0 Moving Unreachable', '0 Moving Held']);
  });

  it('drains before its task is killed', () => {
    const made = world(1);
    made.tasks = made.tasks.map((task) => ({ ...task, spec: { ...task.spec, ...stopped } }));
    const [task] = made.tasks;
    if (task === undefined) throw new Error('no task');
    made.nodes = [node(0, bodyOf(task, { stoppingSince: justNow }))];
    expect(findings(made)).toEqual(['0 Moving Stopping', '0 Moving Draining']);
    expect(compare(made).instances[0]?.tasks[0]?.zookeeper[0]?.status).toBe('STOPPING');
  });

  it('may differ as long as the set has not acted on its own change', () => {
    const made = world(1);
    made.nodes = [];
    made.sets = [serverSet({ status: { observedGeneration: 0, publishedPaths: [path] } })];
    expect(findings(made)).toEqual(['0 Moving NoMember']);
  });

  it('is not expected of a ready task that the set cannot publish, and that is told', () => {
    const made = world(1);
    made.nodes = [];
    made.sets = [
      serverSet({
        spec: { primaryPort: 'nope' },
        status: { observedGeneration: 1, publishedPaths: [path] },
      }),
    ];
    expect(compare(made).instances[0]?.findings).toEqual([
      {
        verdict: 'Drift',
        reason: 'NotPublished',
        message: 'web-0-uid-web-0 is ready and no member of ServerSet web: it has no port nope',
      },
    ]);
  });
});

describe('what no instance explains', () => {
  it('is a task of our framework that etcd does not know', () => {
    const made = world(1);
    const orphan = { taskId: 'prod.web-0-gone', state: 'TASK_RUNNING', agentId: 'S1' };
    for (const taskId of ['prod.web-0-gone', 'prod.other-0-x', 'test.web-0-x', 'strange'])
      made.master.set(taskId, { ...orphan, taskId });
    made.master.set('prod.web-1-done', {
      ...orphan,
      taskId: 'prod.web-1-done',
      state: 'TASK_KILLED',
    });
    expect(compare(made)).toMatchObject({
      verdict: 'Drift',
      unexplained: [{ verdict: 'Drift', reason: 'Orphan', mesosTask: orphan }],
    });
  });

  it('is a member of ours whose Task does not exist, and never a foreign one', () => {
    const made = world(1);
    const gone = run({ uid: 'gone', instance: 5 });
    made.nodes.push(
      node(7, bodyOf(gone)),
      node(8, bodyOf(gone).replace('east', 'west')),
      node(9, 'x'),
    );
    expect(compare(made)).toMatchObject({
      verdict: 'Drift',
      unexplained: [{ reason: 'UnknownMember', member: { path, node: 'member_0000000007' } }],
    });
    expect(compare(made).unexplained).toHaveLength(1);
  });

  it('belongs to the Framework if no Job of its name exists', () => {
    const made = world(1);
    for (const taskId of ['prod.web-0-gone', 'prod.other-0-x', 'strange'])
      made.master.set(taskId, { taskId, state: 'TASK_RUNNING', agentId: 'S1' });
    made.nodes.push(node(7, bodyOf(run({ uid: 'gone' }))));
    const context = { clusterName, now };
    const report = compareFramework(
      [made.job],
      made.sets,
      storedOf(made),
      observedOf(made),
      context,
    );
    expect(
      report.unexplained.map(({ mesosTask, member }) => mesosTask?.taskId ?? member?.node),
    ).toEqual(['prod.other-0-x', 'strange', 'member_0000000007']);
    expect(report.verdict).toBe('Drift');
  });
});

describe('a truth that cannot be read', () => {
  it('is Unknown for whom it is about, and never agrees', () => {
    const made = world(2);
    made.unreadable.add('S1');
    const report = compare(made);
    expect(report).toMatchObject({
      verdict: 'Unknown',
      instances: [{ verdict: 'Agrees' }, { verdict: 'Unknown' }],
    });
    expect(report.truths).toContainEqual({
      name: 'Mesos agent s1.test',
      readable: false,
      message: 'S1 does not answer',
    });
  });

  it('is Unknown also where no instance depends on it', () => {
    const made = world(0);
    made.unreadable.add('master');
    expect(compare(made)).toMatchObject({ verdict: 'Unknown', instances: [] });
  });

  it('does not hide what the others show', () => {
    const made = world(2);
    made.unreadable.add('master');
    made.nodes = made.nodes.slice(1);
    expect(compare(made).verdict).toBe('Unknown');
    expect(findings(made)).toEqual(['0 Drift NoMember']);
  });
});
