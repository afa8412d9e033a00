import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { objectSchema, Refused, type Client, type ClientObject, type Seen } from './client.ts';

const answerSchema = z.union([
  z.strictObject({ event: z.strictObject({ type: z.string(), name: z.string() }) }),
  z.strictObject({ refused: z.string() }),
  z.strictObject({ failed: z.string() }),
  z.strictObject({ value: z.unknown() }),
]);
const texts = z.array(z.string());
/** Debian's python3-kubernetes, in a process of its own. */
export function pythonClient(kubeconfig: string): Client {
  const script = new URL('python-client.py', import.meta.url).pathname;
  const child = spawn('/usr/bin/python3', [script, kubeconfig], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answers = new Stream<unknown>();
  const events = new Stream<Seen>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = answerSchema.parse(JSON.parse(line));
    if ('event' in answer) events.push(answer.event);
    else if ('value' in answer) answers.push(answer.value);
    else answers.fail('refused' in answer ? new Refused(answer.refused) : new Error(answer.failed));
  });
  child.stdin.on('error', (error) => answers.fail(error));
  child.once('exit', (code) => answers.fail(new Error(`python ended with ${code}`)));
  const call = (command: string, ...values: readonly unknown[]): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify({ do: command, with: values })}\n`);
    return answers.next();
  };
  const act =
    (command: string) =>
    async (...values: readonly unknown[]): Promise<void> => {
      await call(command, ...values);
    };
  return {
    serverVersion: async () => z.string().parse(await call('serverVersion')),
    resources: async () => texts.parse(await call('resources')),
    create: (object: ClientObject) => act('create')(object),
    get: async (name) => objectSchema.parse(await call('get', name)),
    list: async (options) => texts.parse(await call('list', options)),
    replace: (object: ClientObject) => act('replace')(object),
    mergePatch: act('mergePatch'),
    jsonPatch: act('jsonPatch'),
    strategicPatch: act('strategicPatch'),
    scale: act('scale'),
    remove: act('remove'),
    removeAll: act('removeAll'),
    createSecret: act('createSecret'),
    mayI: async (verb, resource) => z.boolean().parse(await call('mayI', verb, resource)),
    watch: async () => {
      await call('watch');
      return { next: () => events.next(), stop: () => Promise.resolve() };
    },
    close: async () => {
      if (child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.stdin.end();
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Values in the order of their coming, for whoever waits. */
class Stream<T> {
  readonly #ready: (() => T)[] = [];
  readonly #waiting: ((value: () => T) => void)[] = [];

  push(value: T): void {
    this.#give(() => value);
  }

  fail(error: Error): void {
    this.#give(() => {
      throw error;
    });
  }

  async next(): Promise<T> {
    const given =
      this.#ready.shift() ?? (await new Promise<() => T>((resolve) => this.#waiting.push(resolve)));
    return given();
  }

  #give(value: () => T): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#ready.push(value);
    else next(value);
  }
}
