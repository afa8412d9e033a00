import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Framework } from '../../../../api/v1/framework.ts';
import { serverSetFinalizer } from '../../../../api/v1/serverset.ts';
import { mesosFinalizer, taskPhases, type Task, type TaskPhase } from '../../../../api/v1/task.ts';
import {
  agentName,
  factsOfMaster,
  factsOfOffer,
  factsOfStatus,
  statusOf,
} from '../../../../controllers/scheduler/agent-facts.ts';
import { defaultBrake, isLoss, isTooMany } from '../../../../controllers/scheduler/brake.ts';
import { demandFor, lingerMs, type DemandState } from '../../../../controllers/scheduler/demand.ts';
import { classifyError, decideIdentity } from '../../../../controllers/scheduler/identity.ts';
import {
  LaunchLog,
  launchSettlesMs,
  trustsAbsence,
} from '../../../../controllers/scheduler/launches.ts';
import {
  isLive,
  isWaiting,
  liveTaskIds,
  nextStep,
} from '../../../../controllers/scheduler/lifecycle.ts';
import { boundTask, mesosUpdate, now } from '../../../support/tasks.ts';
import { offerOf } from './scripted-mesos.ts';

function frameworkWith(
  status: Framework['status'],
  annotations: Record<string, string> = {},
): Framework {
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Framework',
    metadata: { name: 'test', uid: 'u', resourceVersion: '1', creationTimestamp: now, annotations },
    spec: {},
    status,
  };
}

describe('the identity of the framework', () => {
  const decide = (framework: Framework, liveTasks = 0) =>
    decideIdentity({ framework, liveTasks, launchedUnder: ['F0'] });

  it('is given by the master to a control plane without tasks', () => {
    expect(decide(frameworkWith(undefined))).toEqual({ kind: 'subscribe', id: undefined });
  });

  it('is the stored one', () => {
    expect(decide(frameworkWith({ state: 'Disconnected', id: 'F1' }), 9)).toEqual({
      kind: 'subscribe',
      id: 'F1',
    });
  });

  it('is never made up while tasks live', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.constantFrom('Registering', 'Subscribed', 'Disconnected', 'Blocked' as const),
        (liveTasks, state) => {
          const decision = decide(frameworkWith({ state }), liveTasks);
          expect(decision).toMatchObject({ kind: 'block', reason: 'FrameworkIdMissing' });
        },
      ),
    );
  });

  it('stays refused until an operator decides', () => {
    const blocked = { state: 'Blocked', reason: 'FrameworkRemoved', id: 'F1' } as const;
    expect(decide(frameworkWith(blocked))).toMatchObject({
      kind: 'block',
      reason: 'FrameworkRemoved',
    });
    expect(decide(frameworkWith(blocked, { 'mesocosm.dev/adopt-framework': 'F2' }))).toEqual({
      kind: 'adopt',
      id: 'F2',
    });
    const reset = { 'mesocosm.dev/reset-confirm-all-dead': 'true' };
    expect(decide(frameworkWith(blocked, reset))).toEqual({ kind: 'reset' });
    const unconfirmed = { 'mesocosm.dev/reset-confirm-all-dead': 'yes' };
    expect(decide(frameworkWith(blocked, unconfirmed)).kind).toBe('block');
  });

  it('knows the errors of a master by their words', () => {
    expect(classifyError('Framework has been removed')).toBe('Removed');
    expect(classifyError('Framework failed over')).toBe('FailedOver');
    expect(classifyError('Role is not allowed')).toBe('Other');
  });
});

describe('whether offers are wanted', () => {
  const idle: DemandState = {
    waiting: false,
    offers: 0,
    suppressed: false,
    now: 100_000,
    busyAt: 0,
    revivedAt: undefined,
    fruitless: 0,
  };

  it('they are asked for as soon as something waits', () => {
    expect(demandFor({ ...idle, waiting: true, suppressed: true })).toEqual({ kind: 'Revive' });
  });

  it('those in hand are looked at before more are asked for', () => {
    expect(demandFor({ ...idle, waiting: true, offers: 1 })).toEqual({
      kind: 'Wait',
      checkInMs: undefined,
    });
  });

  it('they are kept for a moment after the last task was served', () => {
    const state = { ...idle, offers: 2, busyAt: idle.now - 400 };
    expect(demandFor(state)).toEqual({ kind: 'Wait', checkInMs: lingerMs - 400 });
    expect(demandFor({ ...state, now: state.now + lingerMs })).toEqual({ kind: 'Suppress' });
  });

  it('those that come although none are wanted are given back', () => {
    const state = { ...idle, suppressed: true, offers: 1, busyAt: idle.now };
    expect(demandFor(state)).toEqual({ kind: 'Suppress' });
  });

  it('nothing is ever called twice in a row without time passing', () => {
    const states = fc.record({
      waiting: fc.boolean(),
      offers: fc.nat(3),
      suppressed: fc.boolean(),
      now: fc.nat(1_000_000),
      busyAt: fc.nat(1_000_000),
      revivedAt: fc.option(fc.nat(1_000_000), { nil: undefined }),
      fruitless: fc.nat(40),
    });
    fc.assert(
      fc.property(states, (state) => {
        const { kind } = demandFor(state);
        if (kind === 'Wait') return;
        const after: DemandState =
          kind === 'Revive'
            ? { ...state, suppressed: false, revivedAt: state.now, fruitless: state.fruitless + 1 }
            : { ...state, suppressed: true, offers: 0 };
        const next = demandFor(after);
        expect(next.kind).toBe('Wait');
        if (next.kind === 'Wait' && next.checkInMs !== undefined) {
          expect(next.checkInMs).toBeGreaterThan(0);
        }
      }),
    );
  });
});

describe('the next step of a Task', () => {
  const anyTask = fc
    .record({
      phase: fc.constantFrom(...taskPhases),
      bound: fc.boolean(),
      stopped: fc.boolean(),
      deleted: fc.boolean(),
      published: fc.boolean(),
      ours: fc.boolean(),
      forced: fc.boolean(),
    })
    .map((given) => ({ given, task: taskOf(given) }));

  interface Given {
    phase: TaskPhase;
    bound: boolean;
    stopped: boolean;
    deleted: boolean;
    published: boolean;
    ours: boolean;
    forced: boolean;
  }

  function taskOf(given: Given): Task {
    const task = boundTask({ status: { phase: given.phase } });
    const finalizers = [
      ...(given.ours ? [mesosFinalizer] : []),
      ...(given.published ? [serverSetFinalizer] : []),
    ];
    const { mesos, ...unbound } = task.status ?? { phase: given.phase };
    return {
      ...task,
      metadata: {
        ...task.metadata,
        finalizers,
        ...(given.deleted ? { deletionTimestamp: now } : {}),
        ...(given.forced ? { annotations: { 'mesocosm.dev/force-delete': 'true' } } : {}),
      },
      spec: given.stopped ? { ...task.spec, stop: { reason: 'Requested' } } : task.spec,
      status: given.bound && mesos !== undefined ? { ...unbound, mesos } : unbound,
    };
  }

  const dead: readonly TaskPhase[] = ['Finished', 'Failed', 'Killed'];

  it('kills only what is to stop, lives, and is not published (or is forced)', () => {
    fc.assert(
      fc.property(anyTask, fc.boolean(), ({ given, task }, binding) => {
        if (nextStep(task, binding) !== 'Kill') return;
        expect(given.stopped || given.deleted).toBe(true);
        expect(given.bound).toBe(true);
        expect(dead).not.toContain(given.phase);
        expect(!given.published || given.forced).toBe(true);
        expect(binding).toBe(false);
      }),
    );
  });

  it('lets our finalizer go only from what is dead and deleted', () => {
    fc.assert(
      fc.property(anyTask, fc.boolean(), ({ given, task }, binding) => {
        const releases = nextStep(task, binding) === 'Release';
        expect(releases).toBe(dead.includes(given.phase) && given.deleted && given.ours);
      }),
    );
  });

  it('discards only what was never bound', () => {
    fc.assert(
      fc.property(anyTask, fc.boolean(), ({ given, task }, binding) => {
        if (nextStep(task, binding) === 'Discard') expect(given.bound).toBe(false);
      }),
    );
  });

  it('puts every Task in one place at most: waiting, live, or neither', () => {
    fc.assert(
      fc.property(anyTask, ({ task }) => {
        expect(isWaiting(task) && isLive(task)).toBe(false);
      }),
    );
  });

  it('leaves containers alone that have ended', () => {
    const task = boundTask({
      spec: {
        containers: [
          { name: 'web', script: 'x' },
          { name: 'log', script: 'x' },
        ],
      },
      status: {
        containers: [
          { name: 'web', taskId: 'prod.web-0-bcdfghjklm.web', state: 'TASK_KILLED' },
          { name: 'log', taskId: 'prod.web-0-bcdfghjklm.log', state: 'TASK_RUNNING' },
        ],
      },
    });
    expect(liveTaskIds(task)).toEqual(['prod.web-0-bcdfghjklm.log']);
  });
});

describe('whether absence is believed', () => {
  it('is not while the task is being bound, whatever the time', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (session, time) => {
        expect(trustsAbsence({ phase: 'Binding' }, session, time)).toBe(false);
      }),
    );
  });

  it('is on a later subscription, or a minute after the launch was taken', () => {
    const launch = { phase: 'Sent', session: 2, acceptedAt: 1_000 } as const;
    expect(trustsAbsence(launch, 2, 1_000 + launchSettlesMs - 1)).toBe(false);
    expect(trustsAbsence(launch, 2, 1_000 + launchSettlesMs)).toBe(true);
    expect(trustsAbsence(launch, 3, 1_000)).toBe(true);
    const unanswered = { phase: 'Sent', session: 2, acceptedAt: undefined } as const;
    expect(trustsAbsence(unanswered, 2, 10_000_000)).toBe(false);
    expect(trustsAbsence(undefined, 2, 0)).toBe(true);
  });

  it('knows nothing of a launch that was answered', () => {
    const log = new LaunchLog();
    log.bind('a');
    expect(log.isBinding('a')).toBe(true);
    log.send('a', 1);
    log.accept('a', 5);
    expect(log.get('a')).toEqual({ phase: 'Sent', session: 1, acceptedAt: 5 });
    log.settle('a');
    log.accept('a', 6);
    expect(log.get('a')).toBeUndefined();
  });
});

describe('losing many tasks at once', () => {
  it('is more than ten and more than a fifth', () => {
    expect(isTooMany(10, 10, defaultBrake)).toBe(false);
    expect(isTooMany(11, 55, defaultBrake)).toBe(false);
    expect(isTooMany(11, 54, defaultBrake)).toBe(true);
  });

  it('counts answers to reconciliations about tasks in sight', () => {
    const reconciled = { reason: 'REASON_RECONCILIATION' } as const;
    const running = boundTask({ status: { phase: 'Running' } });
    expect(isLoss(mesosUpdate('TASK_GONE', undefined, reconciled), running)).toBe(true);
    expect(isLoss(mesosUpdate('TASK_UNREACHABLE', undefined, reconciled), running)).toBe(true);
    expect(isLoss(mesosUpdate('TASK_RUNNING', undefined, reconciled), running)).toBe(false);
    expect(isLoss(mesosUpdate('TASK_GONE'), running)).toBe(false);
    expect(isLoss(mesosUpdate('TASK_GONE', undefined, reconciled), undefined)).toBe(false);
    const away = boundTask({ status: { phase: 'Unreachable' } });
    expect(isLoss(mesosUpdate('TASK_UNREACHABLE', undefined, reconciled), away)).toBe(false);
    expect(isLoss(mesosUpdate('TASK_GONE', undefined, reconciled), away)).toBe(false);
    const dead = boundTask({ status: { phase: 'Failed' } });
    expect(isLoss(mesosUpdate('TASK_GONE', undefined, reconciled), dead)).toBe(false);
  });
});

describe('launches that a leader left behind', () => {
  it('are no loss, however many were bound and never sent', () => {
    const update = mesosUpdate('TASK_GONE', undefined, { reason: 'REASON_RECONCILIATION' });
    expect(isLoss(update, boundTask())).toBe(false);
  });
});

describe('an agent', () => {
  const holder = (agentId: string, port: number) => (): { agentId: string; port: number } => ({
    agentId,
    port,
  });
  const facts = (agentId: string, port: number) => ({
    agentId,
    hostname: 'Node_7.Example',
    address: { hostname: 'n', port },
  });

  it('is named by its host in lower case', () => {
    expect(agentName(facts('S1', 5051), () => undefined)).toBe('node-7.example');
  });

  it('has its port in its name if another agent has the name of the host', () => {
    expect(agentName(facts('S2', 5052), holder('S1', 5051))).toBe('node-7.example-5052');
  });

  it('keeps its name when it comes back under a new id', () => {
    expect(agentName(facts('S9', 5051), holder('S1', 5051))).toBe('node-7.example');
  });

  it('is known from an offer, from the master and from what is stored', () => {
    const offer = {
      ...offerOf('O1'),
      attributes: [
        { name: 'rack', type: 'TEXT' as const, text: { value: 'r1' } },
        { name: 'gen', type: 'SCALAR' as const, scalar: { value: 3 } },
        {
          name: 'slots',
          type: 'RANGES' as const,
          ranges: {
            range: [
              { begin: 5, end: 5 },
              { begin: 1, end: 3 },
            ],
          },
        },
      ],
    };
    expect(factsOfOffer(offer)).toEqual({
      agentId: 'S0',
      hostname: 's0.test',
      attributes: { rack: 'r1', gen: '3', slots: '[1-3,5]' },
      active: true,
      maintenance: 'None',
      address: { hostname: 's0.test', ip: '10.0.0.1', port: 5051 },
    });
    const known = factsOfMaster({
      agent_info: { hostname: 's0.test', id: { value: 'S0' }, port: 5052 },
      active: true,
      version: '1.12.0',
      pid: 'slave(1)@10.0.0.1:5052',
      total_resources: [
        { name: 'cpus', type: 'SCALAR', scalar: { value: 3.5 } },
        { name: 'cpus', type: 'SCALAR', scalar: { value: 0.5 }, role: 'other' },
        { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: 31000, end: 32000 }] } },
      ],
    });
    expect(known).toMatchObject({
      version: '1.12.0',
      address: { ip: '10.0.0.1', port: 5052 },
      resources: { cpus: 4, ports: '31000-32000' },
    });
    const from = { conditions: undefined, now };
    const status = statusOf(known!, [{ cniName: 'dev-net', until: now }], new Map(), from);
    expect(factsOfStatus(status)).toEqual({ ...known, maintenance: 'None' });
    expect(status.unknownNetworks).toEqual([{ cniName: 'dev-net', until: now }]);
    expect(status.conditions).toMatchObject([
      { type: 'Ready', status: 'True', reason: 'Registered' },
    ]);
    const away = { ...known!, active: false };
    const later = statusOf(away, [], new Map(), { conditions: status.conditions, now: 'later' });
    expect(later.conditions).toMatchObject([
      { type: 'Ready', status: 'False', reason: 'Away', lastTransitionTime: 'later' },
    ]);
    const same = { conditions: later.conditions, now: 'later still' };
    expect(statusOf(away, [], new Map(), same)).toEqual(later);
  });
});
