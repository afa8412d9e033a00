import type { Action, FaultKind } from './actions.ts';
import type { SimulatedCosmd } from './cosmd.ts';
import { requestFaults } from './faults.ts';
import type { World } from './world.ts';

/** Makes a fault happen, and takes care that it ends. */
export function injure(world: World, kind: FaultKind, action: Action): void {
  const leader = world.leader();
  if (leader !== undefined && ofProcess(world, leader, kind, action)) world.coverage.count(kind);
  else if (ofZooKeeper(world, kind, action)) world.coverage.count(kind);
  else if (ofMesos(world, kind, action)) world.coverage.count(kind);
}

function ofProcess(world: World, leader: SimulatedCosmd, kind: FaultKind, action: Action): boolean {
  const { pick, count, ms } = action;
  const { gate, faults, store, zookeeper, mesos } = leader;
  const fault = requestFaults[(pick >> 1) % requestFaults.length] ?? 'lost';
  switch (kind) {
    case 'crash':
      afterCrossings(leader, action, () => world.killCosmd(leader, ms));
      return true;
    case 'stop in good order':
      world.stopCosmd(leader, ms);
      return true;
    case 'freeze':
      afterCrossings(leader, action, () => freeze(world, leader, pick % 2 === 0 ? ms : overTermMs));
      return true;
    case 'store answer':
      if (pick % 2 === 0) faults.store.flakyFor(ms);
      else faults.store.arm(fault, count);
      return true;
    case 'store away':
      store.cut();
      world.clock.after(ms, () => store.mend());
      return true;
    case 'stale reads':
      store.stall(ms);
      return true;
    case 'watch history lost':
      store.expireWatches();
      return true;
    case 'ZooKeeper answer':
      if (pick % 2 === 0) faults.zookeeper.flakyFor(ms);
      else faults.zookeeper.arm(fault, count);
      return true;
    case 'ZooKeeper link cut':
      zookeeper.session.cut();
      return true;
    case 'ZooKeeper link dead':
      zookeeper.session.hang();
      return true;
    case 'ZooKeeper session expired':
      world.ensemble.endSession(zookeeper.sessionId);
      return true;
    case 'Mesos answer':
      if (pick % 2 === 0) faults.mesos.flakyFor(ms);
      else faults.mesos.arm(fault, count);
      return true;
    case 'Mesos stream cut':
      mesos.cutStreams();
      return true;
    case 'Mesos stream dead':
      mesos.hangStreams();
      return true;
    case 'Mesos away':
      mesos.partition();
      world.clock.after(ms, () => mesos.mend());
      return true;
    case 'clock jumps':
      leader.clock.offsetMs += (pick % 2 === 0 ? 1 : -1) * ms * (pick % 3 === 0 ? 100 : 1);
      return true;
    default:
      return gate.isDead();
  }
}

/** Long enough for another one to take over. */
const overTermMs = 16_000;

/** Which crossings of the border count: all, those to ZooKeeper, to Mesos, to the store. */
const crossings = [/./, /^multi/, /^(ACCEPT|KILL|ACKNOWLEDGE)/, /^(create|update|delete) \/meso/];

/** At the n-th such crossing from now on. */
function afterCrossings(
  { gate }: SimulatedCosmd,
  { pick, count }: Action,
  strike: () => void,
): void {
  const before = gate.onCrossing;
  const kind = crossings[(pick >> 1) % crossings.length] ?? /./;
  let left = count;
  gate.onCrossing = (what) => {
    before(what);
    if (!kind.test(what)) return;
    left -= 1;
    if (left === 0) strike();
  };
}

/** ZooKeeper drops the link of a process that sends no ping; the kernel keeps the others open. */
function freeze(world: World, cosmd: SimulatedCosmd, ms: number): void {
  world.trace.add(`${cosmd.identity} freezes`);
  cosmd.gate.freeze();
  world.clock.after((world.ensemble.sessionTimeoutMs * 2) / 3, () => {
    if (cosmd.gate.isFrozen()) cosmd.zookeeper.session.hang();
  });
  world.clock.after(ms, () => {
    if (cosmd.gate.isFrozen()) world.trace.add(`${cosmd.identity} thaws`);
    cosmd.gate.thaw();
  });
}

function ofZooKeeper(world: World, kind: FaultKind, { pick, ms }: Action): boolean {
  const { ensemble, clock } = world;
  switch (kind) {
    case 'ZooKeeper server lags': {
      const replica = ensemble.replicas[pick % ensemble.replicas.length];
      replica?.pause();
      clock.after(ms, () => replica?.resume());
      return true;
    }
    case 'ZooKeeper away':
      for (const { zookeeper } of world.alive()) zookeeper.session.keepAway();
      clock.after(ms, () => {
        for (const { zookeeper } of world.alive()) zookeeper.session.admit();
      });
      return true;
    default:
      return false;
  }
}

function ofMesos(world: World, kind: FaultKind, { pick, ms }: Action): boolean {
  const { mesos, clock } = world;
  const { agents } = mesos;
  const agent = pick % agents.size;
  const running = [...world.runningTasks()];
  const task = running[pick % Math.max(1, running.length)];
  switch (kind) {
    case 'master failover':
      mesos.failover();
      return true;
    case 'master away':
      if (mesos.leading === undefined) return false;
      mesos.killMaster();
      clock.after(ms, () => {
        if (mesos.leading === undefined) mesos.startMaster();
      });
      return true;
    case 'agent killed':
      agents.kill(agent);
      clock.after(ms, () => agents.start(agent));
      return true;
    case 'agent cut off':
      agents.partition(agent);
      clock.after(ms, () => agents.heal(agent));
      return true;
    case 'agent unregistered':
      agents.unregister(agent);
      clock.after(ms, () => agents.start(agent));
      return true;
    case 'task exits':
      return task !== undefined && agents.finishTask(task, exitStatus(task, pick));
    case 'executor crashes':
      return task !== undefined && agents.crashExecutor(task);
    case 'updates repeated':
      world.perturbed.repeats = world.now() + ms;
      return true;
    case 'addresses left out':
      world.perturbed.bare = world.now() + ms;
      return true;
    default:
      return false;
  }
}

/** A raw wait status. One container of a group must fail, or the others would go on without it. */
function exitStatus(task: string, pick: number): number {
  const isOfGroup = task.split('.').length > 2;
  return ((pick % 3) + (isOfGroup ? 1 : 0)) * 256;
}

/** Everything is as it should be from now on. */
export function healAll(world: World): void {
  const { mesos, ensemble } = world;
  for (const cosmd of world.alive()) cosmd.heal();
  for (const replica of ensemble.replicas) replica.resume();
  if (mesos.leading === undefined) mesos.startMaster();
  for (let agent = 0; agent < mesos.agents.size; agent += 1) {
    mesos.agents.start(agent);
    mesos.agents.heal(agent);
  }
  world.perturbed.repeats = 0;
  world.perturbed.bare = 0;
}
