import { describe, expect, it } from 'vitest';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import type { Task } from '../../../../api/v1/task.ts';
import type { Container } from '../../../../api/v1/template.ts';
import { checkOf, healthCheckOf } from '../../../../controllers/scheduler/checks.ts';
import { followUpsOf } from '../../../../controllers/scheduler/follow-ups.ts';
import { Session } from '../../../../controllers/scheduler/session.ts';
import { applyUpdate } from '../../../../controllers/scheduler/status.ts';
import type { TaskStatus as MesosTaskStatus } from '../../../../proto/mesos/generated/messages.ts';
import { boundTask, mesosUpdate, now } from '../../../support/tasks.ts';

const context = { now, trustAbsence: true, reconciled: false };
const session = new Session({
  subscription: {
    streamId: '',
    master: { hostname: 'localhost', port: 5050 },
    events: { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) },
    call: () => Promise.resolve({ kind: 'accepted' }),
    close: () => undefined,
  },
  frameworkId: 'F',
  masterId: undefined,
  number: 1,
  stillHolding: () => true,
});

function taskOf(...containers: Container[]): Task {
  return boundTask({ spec: { networks: [], containers }, status: { networks: [] } });
}

/** The Task after updates, and the Events that they gave. */
function story(task: Task, updates: readonly MesosTaskStatus[]): { task: Task; events: string[] } {
  const events: string[] = [];
  for (const update of updates) {
    const status = applyUpdate(task, update, context);
    const next = status === undefined ? task : { ...task, status };
    const { event } = followUpsOf({ update, session, before: task, after: next, doubtful: false });
    if (event !== undefined) events.push(`${event.reason}: ${event.message}`);
    task = next;
  }
  return { task, events };
}

function ready(task: Task): { reason: string | undefined; message: string | undefined } {
  const condition = findCondition(task.status?.conditions, 'Ready');
  return { reason: condition?.reason, message: condition?.message };
}

const web: Container = {
  name: 'web',
  script: 'x',
  ports: [{ name: 'http', containerPort: 8080 }],
  readinessProbe: { httpGet: { port: 'http', path: '/healthz' } },
};
const http = (code?: number): MesosTaskStatus =>
  mesosUpdate('TASK_RUNNING', undefined, {
    check_status: { type: 'HTTP', http: code === undefined ? {} : { status_code: code } },
  });

describe('a readinessProbe that does not succeed', () => {
  it('says where Mesos connects while nothing has answered there', () => {
    const { task } = story(taskOf(web), [http()]);
    expect(ready(task)).toEqual({
      reason: 'ProbePending',
      message:
        "the readinessProbe of container web has not succeeded yet: GET http://127.0.0.1:8080/healthz inside the task; Mesos connects to loopback in the task's namespace: a server bound only to its CNI address needs an exec probe",
    });
  });

  it('says what the server answered, which is bound to loopback then', () => {
    const { task } = story(taskOf(web), [http(), http(503)]);
    expect(ready(task)).toEqual({
      reason: 'ProbeFailing',
      message:
        'the readinessProbe of container web fails: GET http://127.0.0.1:8080/healthz inside the task answered 503',
    });
    expect(ready(story(task, [http()]).task).message).toMatch(/gets no answer any more$/);
  });

  it('says that a port never took a connection, and why that may be', () => {
    const tcp = (succeeded: boolean): MesosTaskStatus =>
      mesosUpdate('TASK_RUNNING', undefined, { check_status: { type: 'TCP', tcp: { succeeded } } });
    const probed = taskOf({ ...web, readinessProbe: { tcpSocket: { port: 'http' } } });
    const refused = story(probed, [tcp(false)]).task;
    expect(ready(refused).message).toMatch(
      /a TCP connection to 127\.0\.0\.1:8080 inside the task got no answer; Mesos connects to loopback/,
    );
    const lost = story(refused, [tcp(true), tcp(false)]).task;
    expect(ready(lost).message).toMatch(/inside the task gets no answer any more$/);
  });

  it('says how a command ended', () => {
    const probed = taskOf({ ...web, readinessProbe: { exec: { command: ['./ready', '-q'] } } });
    const exit = (code?: number): MesosTaskStatus =>
      mesosUpdate('TASK_RUNNING', undefined, {
        check_status: { type: 'COMMAND', command: code === undefined ? {} : { exit_code: code } },
      });
    const { task } = story(probed, [exit(2)]);
    expect(ready(task).message).toMatch(/the command "\.\/ready -q" ended with exit status 2$/);
    expect(ready(story(task, [exit()]).task).message).toMatch(/did not end in time/);
  });

  it('is not taken from the empty result of a task that is being killed', () => {
    const { task } = story(taskOf(web), [http(200), { ...http(), state: 'TASK_KILLING' }]);
    expect(task.status?.containers?.[0]?.probe).toBe('Succeeded');
  });
});

describe('a gRPC probe', () => {
  const probing = { ports: new Map([['grpc', 9000]]), networks: ['dev-net'], variables: [] };

  it('is grpc_health_probe, run without a shell against loopback', () => {
    const probe = { grpc: { port: 'grpc', service: 'web.Web' }, timeoutSeconds: 2 };
    expect(checkOf(probe, probing)).toMatchObject({
      type: 'COMMAND',
      timeout_seconds: 2,
      command: {
        command: {
          shell: false,
          value: 'grpc_health_probe',
          arguments: [
            'grpc_health_probe',
            '-addr=127.0.0.1:9000',
            '-service=web.Web',
            '-connect-timeout=2s',
            '-rpc-timeout=2s',
          ],
        },
      },
    });
  });

  it('takes the program from where the image has it', () => {
    const probe = { grpc: { port: 9000, probePath: '/bin/health' } };
    expect(healthCheckOf(probe, probing).command?.value).toBe('/bin/health');
  });
});

describe('a livenessProbe', () => {
  it('is told to Mesos with its patience, its scheme and its family', () => {
    const probing = { ports: new Map<string, number>(), networks: [], variables: [] };
    const httpGet = { port: 8443, scheme: 'HTTPS' as const, ipFamily: 'IPv6' as const };
    const probe = { httpGet, failureThreshold: 5, gracePeriodSeconds: 120, initialDelaySeconds: 3 };
    expect(healthCheckOf(probe, probing)).toEqual({
      type: 'HTTP',
      http: { port: 8443, scheme: 'https', path: '/', protocol: 'IPv6' },
      delay_seconds: 3,
      interval_seconds: 10,
      timeout_seconds: 5,
      consecutive_failures: 5,
      grace_period_seconds: 120,
    });
  });
});

describe('a group of which one container turns unhealthy', () => {
  const probe = { tcpSocket: { port: 9090 } };
  const group = taskOf(
    { name: 'web', script: 'x', livenessProbe: probe },
    { name: 'side', script: 'y', livenessProbe: probe },
    { name: 'tcp', script: 'z', livenessProbe: { ...probe, failureThreshold: 1000 } },
  );
  const of = (
    container: string,
    state: MesosTaskStatus['state'],
    timestamp: number,
    rest: Partial<MesosTaskStatus> = {},
  ): MesosTaskStatus => ({
    ...mesosUpdate(state, undefined, { timestamp, ...rest }),
    task_id: { value: `prod.web-0-bcdfghjklm.${container}` },
  });
  const healthy = (container: string, value: boolean): MesosTaskStatus =>
    of(container, 'TASK_RUNNING', 1, { healthy: value });
  /** As recorded in the golden scenario `group`: everything KILLED says healthy=false. */
  const recorded = [
    healthy('tcp', false),
    healthy('web', true),
    healthy('side', true),
    healthy('side', false),
    of('side', 'TASK_KILLING', 10),
    of('side', 'TASK_KILLED', 10.1, { healthy: false }),
    of('web', 'TASK_KILLING', 10.2),
    of('tcp', 'TASK_KILLING', 10.2),
    of('tcp', 'TASK_KILLED', 10.3, { healthy: false }),
    of('web', 'TASK_KILLED', 10.3, { healthy: false }),
  ];
  const words = 'the livenessProbe of container side failed: Mesos has killed it, and with it the';

  it('says which one it was, once', () => {
    const { task, events } = story(group, recorded);
    expect(events).toEqual([`Unhealthy: ${words} whole group`]);
    expect(task.status?.phase).toBe('Killed');
    expect(ready(task)).toEqual({ reason: 'Unhealthy', message: `${words} whole group` });
    const seen = task.status?.containers?.map(({ name, healthy: last }) => [name, last]);
    expect(seen).toEqual([
      ['web', true],
      ['side', false],
      ['tcp', false],
    ]);
  });

  it('blames the one that ended first, in whatever order the updates come', () => {
    const [a, b, c, d, ...ends] = recorded;
    const order = [2, 3, 0, 4, 1, 5].map((index) => ends[index]);
    const updates = [a, b, c, d, ...order].filter((update) => update !== undefined);
    expect(ready(story(group, updates).task).message).toBe(`${words} whole group`);
  });

  it('blames nobody if its end was asked for', () => {
    const stopped = { ...group, spec: { ...group.spec, stop: { reason: 'Update' as const } } };
    expect(story(stopped, recorded).events).toEqual([]);
  });
});
