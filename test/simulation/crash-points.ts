import type { Plan } from './actions.ts';
import { simulate, type Outcome } from './simulate.ts';

/**
 * A story, once for each border crossing of the leader in it: the process dies there, before a request
 * leaves or after it had its effect. It ends with the first number that is not reached any more.
 * Yields what each came to; `every` leaves out all but each n-th point.
 */
export async function* crashPoints(plan: Plan, at: number, every = 1): AsyncGenerator<Outcome> {
  for (let count = 1; ; count += every) {
    const crash = { at, kind: 'crash' as const, pick: 0, count, ms: 1_000 };
    const actions = [...plan.actions, crash].sort((a, b) => a.at - b.at);
    const outcome = await simulate({ ...plan, actions }, { keepTrace: 1_000_000 });
    yield outcome;
    const died = outcome.lines.findIndex((line) => line.includes(' dies'));
    const quiet = outcome.lines.findIndex((line) => line.includes('-- quiet'));
    if (died < 0 || died > quiet) return;
  }
}
