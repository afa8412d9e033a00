/** Runs simulations, prints how fast they were and what they met, and for a failure its shortest story. */
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { pino } from 'pino';
import { describeAction, faultKinds, type FaultKind } from '../test/simulation/actions.ts';
import { shrink } from '../test/simulation/shrink.ts';
import { simulate, simulateSeed } from '../test/simulation/simulate.ts';
import { Coverage } from '../test/simulation/trace.ts';

const resultSchema = z.object({
  seed: z.number(),
  digest: z.string(),
  simulatedMs: z.number(),
  failure: z.object({ law: z.string(), what: z.string() }).optional(),
  coverage: z.array(z.tuple([z.string(), z.number()])),
});
type Result = z.infer<typeof resultSchema>;

interface Options {
  seeds: number;
  seed?: number;
  from: number;
  jobs: number;
  lines: number;
  keepGoing: boolean;
  shrink: boolean;
  log?: string;
  faults?: FaultKind[];
}

type Job = { seed: number } & Pick<Options, 'faults'>;

function whole(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError('it must be a whole number');
}

function kindsOf(text: string): FaultKind[] {
  return text.split(',').map((name) => {
    const kind = faultKinds.find((each) => each === name.trim());
    if (kind !== undefined) return kind;
    throw new InvalidArgumentError(`"${name}" is none of ${faultKinds.join(', ')}`);
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function run({ seed, ...options }: Job): Promise<Result> {
  const { failure, digest, simulatedMs, coverage } = await simulateSeed(seed, options);
  const entries = coverage.entries().map(([kind, times]): [string, number] => [kind, times]);
  return {
    seed,
    digest,
    simulatedMs,
    ...(failure === undefined ? {} : { failure }),
    coverage: entries,
  };
}

/** One result after the other, from as many threads as asked for. */
async function* results(
  seeds: readonly number[],
  { jobs, faults }: Options,
): AsyncGenerator<Result> {
  const waiting = [...seeds];
  const done: Result[] = [];
  let wake: () => void = () => undefined;
  let failure: Error | undefined;
  const workers = Array.from({ length: Math.min(jobs, seeds.length) }, () => {
    const worker = new Worker(fileURLToPath(import.meta.url));
    const next = (): void => {
      const seed = waiting.shift();
      if (seed !== undefined)
        worker.postMessage({ seed, ...(faults === undefined ? {} : { faults }) });
    };
    worker.on('message', (message) => {
      done.push(resultSchema.parse(message));
      next();
      wake();
    });
    worker.on('error', (error) => {
      failure = error;
      wake();
    });
    next();
    return worker;
  });
  try {
    for (let count = 0; count < seeds.length; count += 1) {
      while (done.length === 0) {
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => (wake = resolve));
      }
      const [result] = done.splice(0, 1);
      if (result !== undefined) yield result;
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

async function explain(seed: number, options: Options): Promise<void> {
  const failed = await simulateSeed(seed, options);
  const shortest = options.shrink ? await shrink(failed) : failed;
  const { plan, failure, lines } = await simulate(shortest.plan, { keepTrace: options.lines });
  say(`\nseed ${seed}: ${failure?.law ?? 'nothing fails'}: ${failure?.what ?? ''}`);
  say(`shortest story (${plan.actions.length} of ${failed.plan.actions.length} actions):`);
  for (const action of plan.actions) say(`  ${describeAction(action)}`);
  say(`as a regression: ${JSON.stringify(plan)}`);
  say(`last ${lines.length} lines of its trace:`);
  for (const line of lines) say(`  ${line}`);
}

/** One seed, with everything that there is to see. */
async function single(seed: number, { lines, log, faults }: Options): Promise<boolean> {
  const outcome = await simulateSeed(seed, {
    keepTrace: lines,
    ...(faults === undefined ? {} : { faults }),
    ...(log === undefined ? {} : { logger: pino({ level: log }) }),
  });
  for (const action of outcome.plan.actions) say(`  ${describeAction(action)}`);
  for (const line of outcome.lines) say(line);
  const { failure, digest } = outcome;
  say(
    failure === undefined
      ? `seed ${seed} passes (${digest})`
      : `seed ${seed} fails (${digest}): ${failure.law}: ${failure.what}`,
  );
  return failure === undefined;
}

async function many(options: Options): Promise<boolean> {
  const { seeds, from, keepGoing } = options;
  const coverage = new Coverage();
  const failures: Result[] = [];
  const began = performance.now();
  let simulatedMs = 0;
  let count = 0;
  for await (const result of results(
    Array.from({ length: seeds }, (_, index) => from + index),
    options,
  )) {
    count += 1;
    simulatedMs += result.simulatedMs;
    for (const [kind, times] of result.coverage) coverage.count(kind, times);
    if (result.failure === undefined) continue;
    failures.push(result);
    say(`seed ${result.seed} fails: ${result.failure.law}: ${result.failure.what}`);
    if (!keepGoing) break;
  }
  const elapsedMs = performance.now() - began;
  say('met:');
  for (const [kind, times] of coverage.entries()) say(`  ${String(times).padStart(7)} ${kind}`);
  const rate = (count / (elapsedMs / 1000)).toFixed(1);
  const speed = (simulatedMs / elapsedMs).toFixed(0);
  say(`${count} seeds, ${failures.length} failed, ${rate} seeds/s, ${speed} × real time`);
  const [first] = failures.sort((a, b) => a.seed - b.seed);
  if (first !== undefined) await explain(first.seed, options);
  return first === undefined;
}

async function main(): Promise<void> {
  const options = new Command('simulate')
    .description('Simulates whole clusters, each from one seed.')
    .option('--seeds <n>', 'how many', whole, 500)
    .option('--from <seed>', 'the first one', whole, 1)
    .option('--seed <seed>', 'only this one, with its trace', whole)
    .option('--jobs <n>', 'threads', whole, 2)
    .option('--faults <kinds>', 'faults of these kinds only, parted by commas', kindsOf)
    .option('--lines <n>', 'lines of a trace', whole, 60)
    .option('--log <level>', 'with --seed: what the processes log')
    .option('--keep-going', 'also after a failure', false)
    .option('--no-shrink', 'tell the whole story of a failure')
    .parse()
    .opts<Options>();
  const passed =
    options.seed === undefined ? await many(options) : await single(options.seed, options);
  process.exitCode = passed ? 0 : 1;
}

if (isMainThread) {
  await main();
} else {
  parentPort?.on('message', (job: Job) => {
    void run(job).then((result) => parentPort?.postMessage(result));
  });
}
