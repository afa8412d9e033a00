import type { Action, Plan } from './actions.ts';
import { simulate, type Outcome } from './simulate.ts';

/**
 * The shortest story found that breaks the same law: ever smaller parts are left out for as long as it
 * still fails. At most `most` further runs.
 */
export async function shrink(failed: Outcome, most = 150): Promise<Outcome> {
  let best = failed;
  let runs = 0;
  const attempt = async (plan: Plan): Promise<boolean> => {
    runs += 1;
    const outcome = await simulate(plan);
    if (signatureOf(outcome) !== signatureOf(failed)) return false;
    best = outcome;
    return true;
  };
  for (let size = Math.ceil(best.plan.actions.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.plan.actions.length && runs < most;) {
      const actions = best.plan.actions.filter((_, index) => index < at || index >= at + size);
      if (!(await attempt({ ...best.plan, actions }))) at += size;
    }
  }
  for (const simpler of simplifications) {
    for (let at = 0; at < best.plan.actions.length && runs < most; at += 1) {
      const actions = best.plan.actions.map((each, index) => (index === at ? simpler(each) : each));
      await attempt({ ...best.plan, actions });
    }
  }
  return best;
}

/** What broke, without the names of what it happened to. */
function signatureOf({ failure }: Outcome): string | undefined {
  if (failure === undefined) return undefined;
  const [first = ''] = failure.what.split(';');
  const words = first.split(' ').filter((word) => /^[a-zA-Z,]+$/.test(word));
  return `${failure.law}: ${words.join(' ')}`;
}

const simplifications: readonly ((action: Action) => Action)[] = [
  (action) => ({ ...action, count: 1 }),
  (action) => ({ ...action, ms: Math.ceil(action.ms / 4) }),
];
