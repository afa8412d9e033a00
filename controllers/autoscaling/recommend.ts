/** How many replicas one metric asks for: Kubernetes' algorithm, but that silence takes nobody away. */

/** One task, as one metric sees it. */
export type Measured =
  /** It is ready, and its agent has told what it uses. */
  | { kind: 'measured'; usage: number; request: number }
  /** It has yet to become ready: what it uses says nothing. */
  | { kind: 'unready'; request: number }
  /** It should run, and nobody tells what it uses. */
  | { kind: 'missing'; request: number };

/** What a metric aims at: percent of the requests of all tasks, or an amount of each task. */
export type Aim = { utilization: number } | { average: number };

export interface Recommendation {
  replicas: number;
  /** Percent of what is requested, where that is aimed at. */
  utilization: number | undefined;
  /** What a task uses on average. */
  average: number;
  /** Fewer would do by what is known, but these many tasks tell nothing. */
  heldBy: number;
}

/** How far use may be from what is aimed at without anything happening. */
const tolerance = 0.1;

/** Undefined if no task that counts is measured. */
export function recommend(
  current: number,
  tasks: readonly Measured[],
  aim: Aim,
): Recommendation | undefined {
  const measured = tasks.filter(({ kind }) => kind === 'measured');
  if (measured.length === 0) return undefined;
  const missing = tasks.filter(({ kind }) => kind === 'missing');
  const unready = tasks.filter(({ kind }) => kind === 'unready');
  const now = ratioOf(measured, aim);
  const told = {
    utilization: 'utilization' in aim ? Math.floor(now * aim.utilization) : undefined,
    average: sum(measured, usageOf) / measured.length,
  };
  // Replicas that there are no tasks of yet tell no more than those that are silent.
  const silent = missing.length + Math.max(0, current - tasks.length);
  const concluded = (replicas: number): Recommendation => {
    // However many are measured: no fewer while use is above what is aimed at, no more below it.
    const wanted = now > 1 ? Math.max(current, replicas) : Math.min(current, replicas);
    if (wanted > current || silent === 0) return { ...told, replicas: wanted, heldBy: 0 };
    const fewerWouldDo = now < 1 && !isNear(now);
    return { ...told, replicas: current, heldBy: fewerWouldDo ? silent : 0 };
  };
  const countsUnready = unready.length > 0 && now > 1;
  if (!countsUnready && missing.length === 0) {
    return concluded(isNear(now) ? current : upwards(now * measured.length));
  }
  const guessed = [...measured, ...guesses({ missing, unready, now, aim, countsUnready })];
  const then = ratioOf(guessed, aim);
  const turned = (now < 1 && then > 1) || (now > 1 && then < 1);
  const replicas = isNear(then) || turned ? current : upwards(then * guessed.length);
  // What is guessed must not reverse what is known.
  const against = (then < 1 && replicas > current) || (then > 1 && replicas < current);
  return concluded(against ? current : replicas);
}

/** What those that tell nothing are taken to use: the more cautious, the less is known. */
function guesses(of: {
  missing: readonly Measured[];
  unready: readonly Measured[];
  now: number;
  aim: Aim;
  countsUnready: boolean;
}): Measured[] {
  const { missing, unready, now, aim, countsUnready } = of;
  const busy = ({ request }: Measured): number =>
    'utilization' in aim ? (request * Math.max(100, aim.utilization)) / 100 : aim.average;
  const asUsing = (tasks: readonly Measured[], usage: (task: Measured) => number): Measured[] =>
    tasks.map((task) => ({ kind: 'measured', usage: usage(task), request: task.request }));
  return [
    ...(now === 1 ? [] : asUsing(missing, now < 1 ? busy : () => 0)),
    ...(countsUnready ? asUsing(unready, () => 0) : []),
  ];
}

/** What is used, in terms of what is aimed at. */
function ratioOf(tasks: readonly Measured[], aim: Aim): number {
  const usage = sum(tasks, usageOf);
  if ('average' in aim) return usage / (aim.average * tasks.length);
  const requested = sum(tasks, ({ request }) => request);
  return (usage * 100) / requested / aim.utilization;
}

function usageOf(task: Measured): number {
  return task.kind === 'measured' ? task.usage : 0;
}

function sum(tasks: readonly Measured[], value: (task: Measured) => number): number {
  return tasks.reduce((total, task) => total + value(task), 0);
}

function isNear(ratio: number): boolean {
  return Math.abs(1 - ratio) <= tolerance + 1e-9;
}

/** Up to the next whole number, but not for what the arithmetic has added. */
function upwards(value: number): number {
  return Math.ceil(value - 1e-9);
}
