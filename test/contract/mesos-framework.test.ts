/**
 * The npm package mesos-framework 0.5.3 by what it sent: its requests as they were recorded when it ran three
 * tasks on the emulator, with the ids put in that a master gives anew, and its way of reading the stream. The
 * package itself is no dependency: it pins underscore 1.4.4 and minimist 0.0.8, which have known holes.
 */
import { on, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { TestEmulator } from '../support/emulator.ts';

const recorded = z
  .object({ SUBSCRIBE: z.string(), ACCEPT: z.string(), ACKNOWLEDGE: z.string() })
  .parse(
    JSON.parse(readFileSync(new URL('data/mesos-framework-0.5.3.json', import.meta.url), 'utf8')),
  );

/** What it looks at in events. */
const event = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('SUBSCRIBED'),
    subscribed: z.object({ framework_id: z.object({ value: z.string() }) }),
  }),
  z.object({ type: z.literal('HEARTBEAT') }),
  z.object({
    type: z.literal('OFFERS'),
    offers: z.object({
      offers: z.array(
        z.object({
          id: z.object({ value: z.string() }),
          agent_id: z.object({ value: z.string() }),
          resources: z.array(z.object({ name: z.string() })),
          url: z.object({ address: z.object({ ip: z.string() }) }),
        }),
      ),
    }),
  }),
  z.object({
    type: z.literal('UPDATE'),
    update: z.object({
      status: z.object({
        task_id: z.object({ value: z.string() }),
        agent_id: z.object({ value: z.string() }),
        state: z.string(),
        uuid: z.string(),
      }),
    }),
  }),
]);
type Event = z.infer<typeof event>;

let emulator: TestEmulator;

beforeAll(async () => {
  emulator = await TestEmulator.start({ mode: 'simulated', agents: 2 });
});

afterAll(async () => {
  await emulator.stop();
});

test('the requests of mesos-framework run its tasks to their end', async () => {
  const states = new Map<string, string[]>();
  const answers: number[] = [];
  const response = await post(recorded.SUBSCRIBE);
  expect(response.statusCode).toBe(200);
  const stream = String(response.headers['mesos-stream-id']);
  expect(stream).toMatch(/^[0-9a-f-]{36}$/);

  let framework = '';
  const call = async (body: string, ids: Readonly<Record<string, string>>): Promise<void> => {
    answers.push((await post(filled(body, { framework, ...ids }), stream)).statusCode ?? 0);
  };
  for await (const one of events(response)) {
    if (one.type === 'SUBSCRIBED') framework = one.subscribed.framework_id.value;
    if (one.type === 'OFFERS') {
      for (const { id, agent_id, url } of one.offers.offers) {
        const ids = { offer: id.value, agent: agent_id.value, host: url.address.ip };
        const task = `contract.sleep.${states.size}`;
        if (states.size === 2) break;
        states.set(task, []);
        await call(recorded.ACCEPT, { ...ids, task });
      }
    }
    if (one.type !== 'UPDATE') continue;
    const { task_id, agent_id, state, uuid } = one.update.status;
    states.get(task_id.value)?.push(state);
    await call(recorded.ACKNOWLEDGE, { agent: agent_id.value, task: task_id.value, uuid });
    const all = [...states.values()];
    if (all.length === 2 && all.every((seen) => seen.includes('TASK_FINISHED'))) break;
  }
  response.destroy();

  const life = ['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED'];
  expect([...states.values()]).toEqual([life, life]);
  expect(new Set(answers)).toEqual(new Set([202]));
});

/** As it sends: without Accept and without a length, so in chunks. */
async function post(body: string, stream?: string): Promise<IncomingMessage> {
  const sent = request(`http://${emulator.master}/api/v1/scheduler`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(stream === undefined ? {} : { 'mesos-stream-id': stream }),
    },
  });
  // As it does, before anything is buffered: a later change of the encoding joins what is there already.
  sent.on('response', (response) => response.setEncoding('utf8'));
  sent.write(body);
  sent.end();
  const [response] = z.tuple([z.custom<IncomingMessage>()]).parse(await once(sent, 'response'));
  if (stream !== undefined) response.resume();
  return response;
}

/** As it reads: every chunk with a line feed is the beginning of one record, and has only one. */
async function* events(response: IncomingMessage): AsyncGenerator<Event> {
  let expected = 0;
  let text = '';
  for await (const [chunk] of on(response, 'data', { close: ['close'] })) {
    const parts = String(chunk).split('\n');
    if (parts.length > 2) throw new Error(`${parts.length - 1} line feeds in one chunk`);
    if (parts.length === 2) {
      expected = Number(parts[0]);
      text = '';
    }
    text += parts.at(-1) ?? '';
    if (text.length >= expected) yield event.parse(JSON.parse(text));
  }
}

function filled(body: string, ids: Readonly<Record<string, string>>): string {
  return body.replace(
    /<(framework|offer|agent|task|uuid|host)>/g,
    (_, name: string) => ids[name] ?? '',
  );
}
