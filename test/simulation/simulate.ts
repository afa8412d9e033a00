import type { Logger } from 'pino';
import { seededRandom } from '../../api/machinery/random.ts';
import {
  faultKinds,
  planOf,
  userKinds,
  type Action,
  type FaultKind,
  type Plan,
} from './actions.ts';
import { differences } from './convergence.ts';
import { healAll, injure } from './injure.ts';
import { releaseHeld } from './operators.ts';
import { People } from './people.ts';
import type { Coverage } from './trace.ts';
import { World } from './world.ts';

export interface Outcome {
  plan: Plan;
  /** Why it failed; undefined: every law held and it converged. */
  failure: { law: string; what: string } | undefined;
  /** Same plan, same digest. */
  digest: string;
  /** The last lines of what happened. */
  lines: readonly string[];
  coverage: Coverage;
  /** Milliseconds of simulated time. */
  simulatedMs: number;
}

export interface SimulateOptions {
  /** Lines of the trace in the outcome; none if absent. */
  keepTrace?: number;
  logger?: Logger;
  /** Faults of these kinds only. */
  faults?: readonly FaultKind[];
}

/** Within this time after the last fault everything has to be as people want it. */
const convergesWithinMs = 20 * 60_000;
const lookEveryMs = 2_000;
/** Having converged, it stays so. */
const staysMs = 10_000;

export function simulateSeed(seed: number, options: SimulateOptions = {}): Promise<Outcome> {
  return simulate(planOf(seed, seededRandom(seed), options.faults), options);
}

export async function simulate(plan: Plan, options: SimulateOptions = {}): Promise<Outcome> {
  const world = new World({
    seed: plan.seed,
    agents: plan.agents,
    keepTrace: options.keepTrace ?? 0,
    ...(options.logger === undefined ? {} : { logger: options.logger }),
  });
  const people = new People(world);
  await world.start();
  for (const action of plan.actions) {
    await world.clock.advance(action.at - world.now());
    if (world.book.violations.length > 0) break;
    perform(world, people, action);
  }
  if (world.book.violations.length === 0) await settle(world, people, plan);
  world.stop();
  return {
    plan,
    failure: world.book.violations[0],
    digest: world.trace.digest(),
    lines: world.trace.lines(),
    coverage: world.coverage,
    simulatedMs: world.now(),
  };
}

function perform(world: World, people: People, action: Action): void {
  const { kind } = action;
  world.trace.add(`-- ${kind} ${action.pick} ${action.count} ${action.ms}`);
  const byUser = userKinds.find((each) => each === kind);
  if (byUser !== undefined) people.act(byUser, action);
  const fault = faultKinds.find((each) => each === kind);
  if (fault !== undefined) injure(world, fault, action);
  if (byUser !== undefined) world.coverage.count(kind);
}

async function settle(world: World, people: People, plan: Plan): Promise<void> {
  await world.clock.advance(plan.quietAt - world.now());
  world.trace.add('-- quiet');
  people.quiet();
  healAll(world);
  const deadline = world.now() + convergesWithinMs;
  let wellSince: number | undefined;
  while (world.book.violations.length === 0) {
    await world.clock.advance(lookEveryMs);
    healAll(world);
    const missing = differences(world, people);
    if (missing.length > 0) {
      wellSince = undefined;
      releaseHeld(world);
    } else {
      wellSince ??= world.now();
    }
    if (wellSince !== undefined && world.now() - wellSince >= staysMs) break;
    if (world.now() > deadline) world.book.broken('every run converges', missing.join('; '));
  }
  if (world.book.violations.length === 0) await people.done();
}
