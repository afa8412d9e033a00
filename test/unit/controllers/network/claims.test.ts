import { describe, expect, it } from 'vitest';
import { rfc3339 } from '../../../../api/machinery/clock.ts';
import type { AddressClaim } from '../../../../api/v1/address-claim.ts';
import type { Job } from '../../../../api/v1/job.ts';
import type { Task } from '../../../../api/v1/task.ts';
import { planClaim, type ClaimState } from '../../../../controllers/network/claim-plan.ts';
import {
  addressGate,
  claimNames,
  isKeptBy,
  type ClaimLookup,
} from '../../../../controllers/network/claims.ts';
import { began, claimOf, lookup, waitingTask, withStatus } from './claim-objects.ts';

const ip = '10.0.0.1';
const first = waitingTask('web-0-a', 'web', { ips: [ip] });
const rival = waitingTask('db-0-a', 'db', { ips: [ip] }, began + 1000);
const sticky = waitingTask('web-0-b', 'web', { sticky: true });

const gateOf = (task: Task, claims: ClaimLookup, cniName: string | undefined = 'dev-net') =>
  addressGate(task, claims, () => cniName);

describe('the gate of a Task', () => {
  it('is open to what asks for no address', () => {
    const plain = waitingTask('web-0-a', 'web', {});
    expect(gateOf(plain, lookup())).toEqual({ kind: 'Open', requested: new Map() });
  });

  it('is closed until the claim names it, and says who has the address', () => {
    expect(gateOf(first, lookup())).toMatchObject({ reason: 'ClaimPending' });
    const held = lookup(claimOf(ip, 'web-0-a', 'web'));
    expect(gateOf(first, held)).toEqual({
      kind: 'Open',
      requested: new Map([['dev-net', [ip]]]),
    });
    expect(gateOf(rival, held)).toEqual({
      kind: 'Closed',
      reason: 'AddressTaken',
      message: '10.0.0.1 on dev-net is held by Job prod/web (task web-0-a)',
    });
  });

  it('is closed while somebody has the address under another name of the CNI network', () => {
    const alias = claimOf(ip, 'db-0-a', 'db');
    const other = {
      ...alias,
      metadata: { ...alias.metadata, name: 'alias-0a000001' },
      spec: { ...alias.spec, network: 'alias' },
    };
    expect(gateOf(first, lookup(other))).toEqual({
      kind: 'Closed',
      reason: 'AddressTaken',
      message:
        '10.0.0.1 on dev-net (alias is the same CNI network) is held by Job prod/db (task db-0-a)',
    });
    const both = lookup(claimOf(ip, 'web-0-a', 'web'), other);
    expect(gateOf(first, both)).toMatchObject({ reason: 'AddressTaken' });
    expect(gateOf(first, lookup(claimOf(ip, 'web-0-a', 'web')))).toMatchObject({ kind: 'Open' });
  });

  it('is closed if the Network has come to mean another CNI network, or is none', () => {
    const held = lookup(claimOf(ip, 'web-0-a', 'web'));
    expect(gateOf(first, held, 'Calico_Net')).toMatchObject({
      reason: 'ClaimPending',
      message:
        '10.0.0.1 on dev-net is claimed on CNI network "dev-net", and the Network names "Calico_Net" now: delete task web-0-a to have the next one claim it there',
    });
    expect(addressGate(first, held, () => undefined)).toMatchObject({
      message: 'there is no network "dev-net"',
    });
  });

  it('says how instances of one Job may take over each other’s addresses', () => {
    const sibling = waitingTask('web-1-b', 'web', { ips: [ip] });
    const second = { ...sibling, spec: { ...sibling.spec, instance: 1 } };
    const gate = gateOf(second, lookup(claimOf(ip, 'web-0-a', 'web')));
    expect(gate).toMatchObject({ reason: 'AddressTaken' });
    expect(gate.kind === 'Closed' && gate.message).toMatch(
      /held by Job prod\/web \(task web-0-a\)\. .*maxUnavailable$/,
    );
  });

  it('is closed while the run before has it', () => {
    const next = waitingTask('web-0-b', 'web', { ips: [ip] });
    expect(gateOf(next, lookup(claimOf(ip, 'web-0-a', 'web')))).toMatchObject({
      kind: 'Closed',
      reason: 'ClaimPending',
    });
  });

  it('lets a first run go without, and holds later ones to the address that was given', () => {
    expect(gateOf(sticky, lookup())).toEqual({ kind: 'Open', requested: new Map() });
    expect(gateOf(sticky, lookup(claimOf(ip, 'web-0-a', 'web')))).toMatchObject({
      reason: 'ClaimPending',
    });
    expect(gateOf(sticky, lookup(claimOf(ip, 'web-0-b', 'web')))).toMatchObject({
      kind: 'Open',
      requested: new Map([['dev-net', [ip]]]),
    });
  });

  it('asks for one sticky address of a family, the oldest', () => {
    const metadata = {
      ...claimOf('10.0.0.9', 'a', 'b').metadata,
      creationTimestamp: rfc3339(began + 5e3),
    };
    const claims = [
      claimOf('10.0.0.9', 'web-0-b', 'web', { metadata }),
      claimOf('fd00::1', 'web-0-b', 'web'),
      claimOf(ip, 'web-0-b', 'web'),
    ];
    expect(gateOf(sticky, lookup(...claims))).toMatchObject({
      requested: new Map([['dev-net', [ip, 'fd00::1']]]),
    });
  });
});

describe('a Task concerns', () => {
  it('the claims of what it asks for, and of a sticky address once it was seen', () => {
    expect(claimNames(first)).toEqual(['dev-net-0a000001']);
    expect(claimNames(sticky)).toEqual([]);
    const network = {
      name: 'dev-net',
      cniName: 'dev-net',
      interface: 'eth0',
      ips: ['10.0.0.7'],
      lastTransitionTime: rfc3339(began),
    };
    const seen = (verdict: 'Assigned' | 'Mismatch') =>
      claimNames(withStatus(sticky, { networks: [{ ...network, verdict }] }));
    expect(seen('Assigned')).toEqual(['dev-net-0a000007']);
    expect(seen('Mismatch')).toEqual([]);
  });
});

const graceMs = 60_000;

function plan(rest: Partial<ClaimState>) {
  return planClaim({
    network: 'dev-net',
    ip,
    claim: undefined,
    holder: undefined,
    isKept: false,
    cniNameOf: () => 'dev-net',
    contenders: [],
    now: began,
    agentLostGraceMs: graceMs,
    endedForMs: 0,
    ...rest,
  });
}

const claim = claimOf(ip, 'web-0-a', 'web');
const running = withStatus(first, { phase: 'Running' });
const dead = withStatus(first, { phase: 'Failed', finishTime: rfc3339(began - 1000) });
const gone = withStatus(dead, { mesos: { taskId: 'prod.web-0-a', state: 'TASK_GONE' } });

describe('a claim', () => {
  it('goes to what runs with the address, else to who has waited longest', () => {
    const holderOf = (contenders: ClaimState['contenders']) => {
      const made = plan({ contenders });
      return made.action === 'Create' ? made.spec.holder.task : undefined;
    };
    expect(holderOf([rival, first])).toBe('web-0-a');
    expect(holderOf([first, withStatus(rival, { phase: 'Running' })])).toBe('db-0-a');
    expect(holderOf([])).toBeUndefined();
  });

  it.each(['Pending', 'Launching', 'Starting', 'Running', 'Stopping', 'Unreachable'] as const)(
    'stays with a holder that is %s, whoever waits and whatever its Job wants',
    (phase) => {
      const { action } = plan({ claim, holder: withStatus(first, { phase }), contenders: [rival] });
      expect(['None', 'Say']).toContain(action);
    },
  );

  it('says that an unreachable holder keeps it, once, and when that is over', () => {
    const lost = withStatus(first, { phase: 'Unreachable' });
    const said = plan({ claim, holder: lost });
    if (said.action !== 'Say') throw new Error(said.action);
    expect(said.status).toMatchObject({ state: 'HolderUnreachable' });
    const after: AddressClaim = { ...claim, status: said.status };
    expect(plan({ claim: after, holder: lost }).action).toBe('None');
    expect(plan({ claim: after, holder: running })).toMatchObject({ status: { state: 'Held' } });
  });

  it('waits for the next run of a dead holder while the Job keeps the address', () => {
    expect(plan({ claim, holder: dead, isKept: true, contenders: [rival] }).action).toBe('None');
    const next = waitingTask('web-0-b', 'web', { ips: [ip] }, began + 2000);
    expect(plan({ claim, holder: dead, isKept: true, contenders: [rival, next] })).toMatchObject({
      action: 'HandOver',
      holder: { task: 'web-0-b' },
    });
  });

  it('goes to a rival, or away, once its Job does not want it', () => {
    expect(plan({ claim, holder: dead, contenders: [rival] })).toMatchObject({
      action: 'HandOver',
      holder: { task: 'db-0-a', job: 'db' },
    });
    expect(plan({ claim, holder: dead }).action).toBe('Release');
  });

  it('that is being deleted is released once the holder is dead, to nobody', () => {
    const metadata = { ...claim.metadata, deletionTimestamp: rfc3339(began) };
    const leaving = { ...claim, metadata };
    expect(plan({ claim: leaving, holder: running }).action).toBe('None');
    const state = { claim: leaving, holder: dead, isKept: true, contenders: [rival] };
    expect(plan(state).action).toBe('Release');
  });

  it.each([
    ['whose agent is gone', gone],
    ['that is gone, nobody knows how', undefined],
  ])(
    'of a holder %s is kept for the grace, counted from when this process knew',
    (_what, holder) => {
      const said = plan({ claim, holder, contenders: [rival] });
      if (said.action !== 'Say') throw new Error(said.action);
      const releaseTime = rfc3339(began + graceMs);
      expect(said.status).toMatchObject({ state: 'AgentLost', releaseTime });
      const after = { ...claim, status: said.status };
      // The Task may be gone by now.
      const at = (endedForMs: number, now = began + endedForMs) =>
        plan({ claim: after, holder: undefined, contenders: [rival], now, endedForMs });
      expect(at(graceMs - 1)).toEqual({ action: 'Wait', wakeAt: began + graceMs });
      expect(at(graceMs - 0.5, began + graceMs)).toMatchObject({ action: 'Wait' });
      expect(at(graceMs).action).toBe('HandOver');
      // Whatever the wall clock says.
      expect(at(1000, began + 1000 * graceMs)).toMatchObject({
        action: 'Say',
        status: { releaseTime: rfc3339(began + 1001 * graceMs - 1000) },
      });
      expect(at(graceMs, began - 1000 * graceMs).action).toBe('HandOver');
    },
  );

  it('of a holder that ran goes on once its container has given the address back', () => {
    const mesos = { taskId: 'prod.web-0-a', agentId: 'A-1', state: 'TASK_KILLED' };
    const ended = withStatus(dead, { mesos });
    const after = (endedForMs: number) =>
      plan({ claim, holder: ended, contenders: [rival], endedForMs });
    expect(after(500)).toEqual({ action: 'Wait', wakeAt: began + 1500 });
    expect(after(2000).action).toBe('HandOver');
  });

  it('writes a time anew that a clock has made which was ahead, instead of waiting for it', () => {
    const releaseTime = rfc3339(began + 1000 * graceMs);
    const status = {
      state: 'AgentLost' as const,
      releaseTime,
      holderUid: claim.spec.holder.taskUid,
    };
    const said = plan({ claim: { ...claim, status }, holder: undefined, contenders: [rival] });
    expect(said).toMatchObject({
      action: 'Say',
      status: { releaseTime: rfc3339(began + graceMs) },
    });
  });

  it('does not take the grace of an earlier holder for that of this one', () => {
    const releaseTime = rfc3339(began - 1);
    const status = { state: 'AgentLost' as const, releaseTime, holderUid: 'uid-of-web-0-z' };
    expect(plan({ claim: { ...claim, status }, holder: gone }).action).toBe('Say');
  });
});

describe('a claim of a Network that is another CNI network now', () => {
  const next = waitingTask('web-0-b', 'web', { ips: [ip] });
  const cniNameOf = (): string => 'Calico_Net';

  it('is released, not handed on: the address there may be somebody else’s', () => {
    const state = { claim, holder: dead, contenders: [next], isKept: true };
    expect(plan(state).action).toBe('HandOver');
    expect(plan({ ...state, cniNameOf }).action).toBe('Release');
  });

  it('is made for the CNI network of its time, and not before there is one', () => {
    expect(plan({ contenders: [next], cniNameOf })).toMatchObject({
      action: 'Create',
      spec: { network: 'dev-net', cniName: 'Calico_Net', ip },
    });
    expect(plan({ contenders: [next], cniNameOf: () => undefined }).action).toBe('Wait');
  });
});

describe('a Job keeps an address', () => {
  const job = (spec: object, metadata: object = {}): Job =>
    ({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Job',
      metadata: {
        name: 'web',
        namespace: 'prod',
        uid: 'uid-of-web',
        resourceVersion: '1',
        creationTimestamp: rfc3339(began),
        ...metadata,
      },
      spec: { template: { spec: { containers: [], networks: [] } }, ...spec },
    }) satisfies Job;
  const joining = (network: object, replicas = 1): object => ({
    replicas,
    template: { spec: { containers: [], networks: [{ name: 'dev-net', ...network }] } },
  });

  it.each([
    ['it asks for it', joining({ ips: [ip] }), {}, true],
    ['the instance has it', joining({ ipsByInstance: [[ip]] }), {}, true],
    ['it is sticky', joining({ sticky: true }), {}, true],
    ['another address is asked for', joining({ ips: ['10.0.0.2'] }), {}, false],
    ['another instance has it', joining({ ipsByInstance: [['10.0.0.2'], [ip]] }, 2), {}, false],
    ['the network is left', joining({ name: 'data-net', ips: [ip] }), {}, false],
    ['it is scaled down', joining({ ips: [ip] }, 0), {}, false],
    ['its instance has yet to succeed', { ...joining({ ips: [ip] }), type: 'Batch' }, {}, true],
    ['it is another Job of the name', joining({ ips: [ip] }), { uid: 'other' }, false],
    ['it is being deleted', joining({ ips: [ip] }), { deletionTimestamp: rfc3339(began) }, false],
  ])('if %s', (_what, spec, metadata, expected) => {
    expect(isKeptBy(job(spec, metadata), claim, [claim])).toBe(expected);
    expect(isKeptBy(undefined, claim, [claim])).toBe(false);
  });

  it('until the instance has succeeded, or the Job has failed', () => {
    const batch = job({ ...joining({ ips: [ip] }), type: 'Batch' });
    const failed = {
      type: 'Failed',
      status: 'True' as const,
      reason: 'DeadlineExceeded',
      message: '',
      lastTransitionTime: rfc3339(began),
    };
    for (const status of [{ completedIndexes: '0' }, { conditions: [failed] }]) {
      expect(isKeptBy({ ...batch, status }, claim, [claim])).toBe(false);
    }
  });
});
