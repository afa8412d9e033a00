import { describe, expect, it } from 'vitest';
import { jobOfTaskId, masterTasks } from '../../../../controllers/cosmd/drift/observed.ts';
import { driftSources, type SourcesOptions } from '../../../../controllers/cosmd/drift/sources.ts';
import { MesosRequestError } from '../../../../proto/mesos/transport.ts';
import { ZooKeeperError } from '../../../../proto/zookeeper/errors.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

const agent = { hostname: 'a', port: 5051 };

function silent(): Promise<never> {
  return new Promise<never>(() => undefined);
}

function sourcesWith(given: Partial<SourcesOptions>): {
  sources: ReturnType<typeof driftSources>;
  clock: VirtualClock;
} {
  const clock = new VirtualClock();
  const gone = new ZooKeeperError('NO_NODE', 'not-applied', 'no such node');
  const sources = driftSources({
    master: { getTasks: () => Promise.resolve({}) },
    agent: () => ({ getContainers: () => Promise.resolve({}) }),
    zookeeper: {
      whenConnected: () => Promise.resolve(),
      sync: () => Promise.resolve(),
      getChildren: () => Promise.reject(gone),
      getData: () => Promise.reject(gone),
    },
    clusterName: 'east',
    clock,
    ...given,
  });
  return { sources, clock };
}

describe('the sources of drift', () => {
  it('ask the master once for all who ask within the age that they accept', async () => {
    let asked = 0;
    const getTasks = () => Promise.resolve({ tasks: [], asked: (asked += 1) });
    const { sources, clock } = sourcesWith({ master: { getTasks } });
    await Promise.all([sources.tasks(1_000), sources.tasks(1_000)]);
    await clock.advance(999);
    await sources.tasks(1_000);
    expect(asked).toBe(1);
    await clock.advance(1);
    await sources.tasks(1_000);
    await sources.tasks(0);
    expect(asked).toBe(3);
  });

  it('ask each agent by itself', async () => {
    const asked: string[] = [];
    const { sources } = sourcesWith({
      agent: ({ hostname }) => ({
        getContainers: () => {
          asked.push(hostname);
          return Promise.resolve({});
        },
      }),
    });
    await sources.containers(agent, 1_000);
    await sources.containers({ ...agent, hostname: 'b' }, 1_000);
    await sources.containers(agent, 1_000);
    expect(asked).toEqual(['a', 'b']);
  });

  it('say what did not answer in time, or refused', async () => {
    const refused = new MesosRequestError('Refused', 'a:5051 answers 403');
    const { sources, clock } = sourcesWith({
      master: { getTasks: silent },
      agent: () => ({ getContainers: () => Promise.reject(refused) }),
      zookeeper: {
        whenConnected: silent,
        sync: silent,
        getChildren: silent,
        getData: silent,
      },
    });
    const answers = Promise.all([
      sources.tasks(0),
      sources.containers(agent, 0),
      sources.members('/x'),
    ]);
    await clock.advance(5_000);
    expect(await answers).toEqual([
      { problem: 'no answer in 5 s' },
      { problem: 'a:5051 answers 403' },
      { problem: 'no answer in 5 s' },
    ]);
    expect(clock.pending).toBe(0);
  });

  it('do not take a fault of ours for a truth that cannot be read', async () => {
    const { sources } = sourcesWith({
      master: { getTasks: () => Promise.reject(new TypeError('x')) },
    });
    await expect(sources.tasks(0)).rejects.toThrow(TypeError);
  });

  it('find no members where there is no path, and leave out what is gone before it is read', async () => {
    const { sources } = sourcesWith({});
    expect(await sources.members('/x')).toEqual({ value: [] });
    const zookeeper: SourcesOptions['zookeeper'] = {
      whenConnected: () => Promise.resolve(),
      sync: () => Promise.resolve(),
      getChildren: () =>
        Promise.resolve({ children: ['member_2', 'vector_1', 'member_1', 'member_3'], stat }),
      getData: (path) =>
        path.endsWith('3')
          ? Promise.reject(new ZooKeeperError('NO_NODE', 'not-applied', path))
          : Promise.resolve({ data: Buffer.from(path), stat }),
    };
    expect(await sourcesWith({ zookeeper }).sources.members('/x')).toEqual({
      value: [
        { name: 'member_1', version: 4, body: '/x/member_1', ours: undefined },
        { name: 'member_2', version: 4, body: '/x/member_2', ours: undefined },
      ],
    });
  });
});

const stat = {
  czxid: 1n,
  mzxid: 1n,
  pzxid: 1n,
  ctime: 0,
  mtime: 0,
  version: 4,
  cversion: 0,
  aversion: 0,
  ephemeralOwner: 0n,
  dataLength: 0,
  numChildren: 0,
};

describe("the master's answer", () => {
  it('is about our framework only, and what lives counts before what is over', () => {
    const task = (id: string, state: 'TASK_RUNNING' | 'TASK_FAILED', framework = 'F1') => ({
      name: 'x',
      task_id: { value: id },
      framework_id: { value: framework },
      agent_id: { value: 'S0' },
      state,
    });
    const found = masterTasks(
      {
        tasks: [task('a', 'TASK_RUNNING'), task('c', 'TASK_RUNNING', 'F2')],
        completed_tasks: [task('a', 'TASK_FAILED'), task('b', 'TASK_FAILED')],
      },
      new Set(['F1']),
    );
    expect([...found.values()].map(({ taskId, state }) => `${taskId} ${state}`).sort()).toEqual([
      'a TASK_RUNNING',
      'b TASK_FAILED',
    ]);
  });

  it('tells whose a task was by its id', () => {
    expect(jobOfTaskId('prod.web-api-12-4k7x2m9q1z.main')).toEqual({
      namespace: 'prod',
      job: 'web-api',
    });
    expect(jobOfTaskId('strange')).toBeUndefined();
    expect(jobOfTaskId('prod.web')).toBeUndefined();
  });
});
