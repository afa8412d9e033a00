import { operatorCall } from '../../hack/emulator/master/operator.ts';
import type { Action, FaultKind } from './actions.ts';
import type { SimulatedCosmd } from './cosmd.ts';
import { requestFaults } from './faults.ts';
import { simulatedNetworks } from './networks.ts';
import { wireFaults } from './wire.ts';
import type { World } from './world.ts';

/** Makes a fault happen, and takes care that it ends. */
export function injure(world: World, kind: FaultKind, action: Action): void {
  const leader = world.leader();
  const ofWire = wireFaults.find((each) => each === kind);
  if (ofWire !== undefined) {
    world.wire.disturb(ofWire, action.ms);
    world.coverage.count(kind);
    return;
  }
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
      afterCrossings(leader, action, () => freeze(world, leader, pick % 3 === 0 ? ms : overTermMs));
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

/**
 * Which crossings of the border count: all, or those to ZooKeeper, to Mesos, to the store, to a member,
 * and the moment in which a write about a task is known to be stored: what follows goes to Mesos.
 */
const crossings = [
  /./,
  /^multi/,
  /^(ACCEPT|KILL)/,
  /^(create|update|delete) \/meso/,
  /^multi.*member/,
  /^update \/mesocosm.dev\/tasks\/.* answered$/,
  /^(create|update|delete) \/mesocosm.dev\/addressclaims/,
];

/** At the n-th such crossing from now on. */
function afterCrossings(
  { gate }: SimulatedCosmd,
  { pick, count }: Action,
  strike: () => void,
): void {
  const before = gate.onCrossing;
  const at = pick % crossings.length;
  const kind = crossings[at] ?? /./;
  // There are fewer of the particular ones.
  let left = at === 0 ? count : 1 + (count % 8);
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

function ofMesos(world: World, kind: FaultKind, action: Action): boolean {
  const { pick, count, ms } = action;
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
    case 'agent marked gone':
      return markGone(world, agent, action);
    case 'agent back with other addresses':
      agents.kill(agent);
      clock.after(ms, () => comeBack(world, agent));
      return true;
    case 'network missing on agent':
      return world.takeNetwork(agent, Object.keys(simulatedNetworks)[count % 4] ?? '');
    default:
      return false;
  }
}

/**
 * An operator says that the agent never comes back. It may be up all the same, and cut off: then its
 * tasks run on until it hears of it.
 */
function markGone(world: World, agent: number, { count, ms }: Action): boolean {
  const { leading, agents } = world.mesos;
  const id = agents.id(agent);
  if (leading === undefined || id === undefined || !leading.state.agents.has(id)) return false;
  if (count % 3 > 0) {
    agents.partition(agent);
    world.clock.after(ms, () => agents.heal(agent));
  }
  operatorCall(leading.state, {
    type: 'MARK_AGENT_GONE',
    mark_agent_gone: { agent_id: { value: id } },
  });
  world.gone.add(agent);
  return true;
}

/**
 * The network of the machine was set up anew. Only where the master has given the agent up does it learn
 * the addresses from the agent: of one that it still knows it believes what it was told before.
 */
function comeBack(world: World, agent: number): void {
  const { leading, agents } = world.mesos;
  const id = agents.id(agent);
  if (leading !== undefined && id !== undefined && !leading.state.agents.has(id)) {
    agents.reattach(agent);
  }
  agents.start(agent);
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
    mesos.agents.heal(agent);
    // One that was given up ends itself once it hears of it, and comes back as another one.
    if (world.gone.has(agent) && mesos.agents.hasEnded(agent)) {
      mesos.agents.wipe(agent);
      world.gone.delete(agent);
    }
    mesos.agents.start(agent);
  }
  world.wire.heal();
}
