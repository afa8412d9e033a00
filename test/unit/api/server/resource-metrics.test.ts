import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  collectorLimits,
  UsageCollector,
} from '../../../../api/server/resource-metrics/collector.ts';
import { metricsOf } from '../../../../api/server/resource-metrics/endpoint.ts';
import {
  readingsOf,
  usageBetween,
  type Usage,
} from '../../../../api/server/resource-metrics/usage.ts';
import type { Task } from '../../../../api/v1/task.ts';
import type { AgentResponseGetContainersContainer } from '../../../../proto/mesos/generated/messages.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

type Told = AgentResponseGetContainersContainer;

const container = (id: string, at: number, cpu: number | undefined, memory = 1024): Told => ({
  framework_id: { value: 'F' },
  executor_id: { value: `default.${id}` },
  container_id: { value: id },
  resource_statistics: {
    timestamp: at,
    mem_limit_bytes: 4096,
    ...(cpu === undefined
      ? {}
      : { cpus_user_time_secs: cpu, cpus_system_time_secs: 0, mem_rss_bytes: memory }),
  },
});
const reading = (at: number, cpu: number) => readingsOf([container('c', at, cpu)]).get('c')!;

describe('what a container uses', () => {
  it('is what it has used more, over the time between two answers of its agent', () => {
    expect(usageBetween(reading(100, 7), reading(110, 12))).toMatchObject({
      id: 'c',
      cpu: 0.5,
      memory: 1024,
      windowSeconds: 10,
    });
  });

  it('is not known from one answer, from totals that went back, or if time stood still', () => {
    expect(usageBetween(undefined, reading(1, 1))).toBeUndefined();
    expect(usageBetween(reading(1, 5), reading(2, 4))).toBeUndefined();
    expect(usageBetween(reading(2, 5), reading(2, 6))).toBeUndefined();
    expect(usageBetween(reading(3, 5), reading(2, 6))).toBeUndefined();
  });

  it('is not known of one of which Mesos tells only its limits', () => {
    expect(readingsOf([container('c', 1, undefined)]).size).toBe(0);
  });

  it('is never negative nor infinite', () => {
    const numbers = fc.double({ min: 0, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(numbers, numbers, numbers, numbers, (at, cpu, later, more) => {
        const usage = usageBetween(reading(at, cpu), reading(later, more));
        if (usage === undefined) return;
        expect(usage.cpu).toBeGreaterThanOrEqual(0);
        expect(usage.windowSeconds).toBeGreaterThan(0);
      }),
    );
  });
});

describe('metrics of a pod', () => {
  const task = (...containers: string[]): Task => ({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: {
      name: 'web-0',
      namespace: 'prod',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: {
      job: 'web',
      instance: 0,
      revision: 'web-1',
      restarts: 0,
      containers: containers.map((name) => ({ name, script: 'true' })),
    },
    status: {
      phase: 'Running',
      mesos: { taskId: 'prod.web-0', frameworkId: 'F' },
      containers: containers.map((name) => ({ name, taskId: name, containerId: `C-${name}` })),
    },
  });
  const usage = (id: string, cpu: number, more: Partial<Usage> = {}): Usage => ({
    id,
    parent: undefined,
    frameworkId: undefined,
    executorId: undefined,
    cpu,
    memory: 2048,
    windowSeconds: 15,
    ...more,
  });
  const whole = usage('C', 0.5, { frameworkId: 'F', executorId: 'prod.web-0' });
  const of = (one: Task, ...usages: Usage[]) => metricsOf(one, { at: 0, usages });

  it('are those of its only container', () => {
    expect(of(task('main'), usage('other', 9), whole)).toMatchObject({
      metadata: { name: 'web-0', namespace: 'prod', uid: 'u' },
      timestamp: '1970-01-01T00:00:00Z',
      window: '15.000s',
      containers: [{ name: 'main', usage: { cpu: '500000000n', memory: '2Ki' } }],
    });
  });

  it('are those of all its containers together unless each is measured', () => {
    const [main, side] = [
      usage('C-main', 0.1, { parent: 'C' }),
      usage('C-side', 0.2, { parent: 'C' }),
    ];
    const names = (...usages: Usage[]) =>
      of(task('main', 'side'), whole, ...usages)?.containers.map(({ name }) => name);
    expect(names()).toEqual(['*']);
    expect(names(main)).toEqual(['*']);
    expect(names(main, side)).toEqual(['main', 'side']);
    expect(names(main, { ...side, parent: 'of somebody else' })).toEqual(['*']);
  });

  it('are none of what another framework runs under the same name', () => {
    expect(of(task('main'), { ...whole, frameworkId: 'G' })).toBeUndefined();
    expect(of(task('main'))).toBeUndefined();
  });
});

/** Agents that use half a core each, on a clock of the test. */
function agents() {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const silent: string[] = [];
  const state = { away: new Set<string>(), stuck: new Set<string>(), most: 0, open: 0 };
  const collector = new UsageCollector<string>({
    clock,
    ask: async (agent, signal) => {
      asked.push(agent);
      state.open += 1;
      state.most = Math.max(state.most, state.open);
      try {
        if (state.away.has(agent)) throw new Error('away');
        if (state.stuck.has(agent)) {
          await new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(new Error('late')), { once: true });
          });
        }
        await Promise.resolve();
        const at = clock.now() / 1000;
        return [container(agent, at, at / 2)];
      } finally {
        state.open -= 1;
      }
    },
    onSilent: (agent) => silent.push(agent),
  });
  const usages = async (...ids: string[]) => {
    const wanted = new Map(ids.map((id) => [id, id]));
    const answer = collector.usages(wanted, new AbortController().signal);
    const over = answer.then(() => true);
    await settle();
    while (!(await Promise.race([over, Promise.resolve(false)])) && (await clock.next())) {
      await settle();
    }
    return answer;
  };
  return { clock, asked, silent, state, usages };
}

describe('the collector', () => {
  it('asks an agent twice when it knows nothing, and once from then on', async () => {
    const { clock, asked, usages } = agents();
    const first = await usages('a');
    expect(first.get('a')?.usages).toMatchObject([{ cpu: 0.5, windowSeconds: 2 }]);
    expect(asked).toEqual(['a', 'a']);
    await clock.advance(15_000);
    expect((await usages('a')).get('a')?.usages).toMatchObject([{ cpu: 0.5, windowSeconds: 15 }]);
    expect(asked).toHaveLength(3);
  });

  it('asks once for everybody who wants to know', async () => {
    const { asked, usages } = agents();
    await Promise.all([usages('a'), usages('a'), usages('a', 'b')]);
    await usages('b');
    expect(asked.toSorted()).toEqual(['a', 'a', 'b', 'b']);
  });

  it('tells nothing of an agent that is silent now, whatever it told before', async () => {
    const { clock, silent, state, usages } = agents();
    await usages('a', 'b');
    state.away.add('a');
    await clock.advance(15_000);
    const found = await usages('a', 'b');
    expect([...found.keys()]).toEqual(['b']);
    expect(silent).toEqual(['a']);
  });

  it('leaves an agent alone for a while that did not answer, and asks it again then', async () => {
    const { clock, asked, silent, state, usages } = agents();
    state.away.add('a');
    for (let count = 0; count < 3; count += 1) expect((await usages('a')).size).toBe(0);
    expect([asked, silent]).toEqual([['a'], ['a']]);
    await clock.advance(collectorLimits.silentMs);
    await usages('a');
    expect(asked).toHaveLength(2);
    state.away.clear();
    await clock.advance(collectorLimits.silentMs);
    expect((await usages('a')).size).toBe(1);
  });

  it('waits for nobody for long', async () => {
    const { clock, state, usages } = agents();
    state.stuck.add('a');
    const before = clock.monotonic();
    const found = await usages('a', 'b');
    expect([...found.keys()]).toEqual(['b']);
    expect(clock.monotonic() - before).toBeLessThanOrEqual(collectorLimits.requestMs);
  });

  it('does not measure over a time in which much may have happened', async () => {
    const { clock, usages } = agents();
    await usages('a');
    await clock.advance(10 * 60_000);
    expect((await usages('a')).get('a')?.usages).toMatchObject([{ windowSeconds: 2 }]);
  });

  it('asks a bounded number of agents at a time', async () => {
    const { state, usages } = agents();
    const ids = Array.from({ length: 100 }, (_, index) => `agent-${index}`);
    expect((await usages(...ids)).size).toBe(100);
    expect(state.most).toBe(collectorLimits.concurrency);
  });
});
