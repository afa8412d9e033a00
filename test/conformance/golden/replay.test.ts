import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { systemClock, type Clock } from '../../../api/machinery/clock.ts';
import { parseSigningKey } from '../../../api/server/authentication/signing-keys.ts';
import { parseTokenFile } from '../../../api/server/authentication/static-tokens.ts';
import type { ApiServerOptions } from '../../../api/server/server.ts';
import { MemoryStorage } from '../../../api/storage/memory.ts';
import { resources } from '../../../api/v1/resources.ts';
import { startServer, type RunningServer } from '../support/server.ts';
import { Aliases, differences } from './aliases.ts';
import { explained } from './explained.ts';
import { recording, type Exchange } from './recording.ts';
import { widgets } from './widgets.ts';
import { exchange, type WireAnswer } from './wire.ts';

const scenarios = [
  'crud',
  'validation',
  'patch',
  'subresources',
  'list',
  'delete-finalizers-gc',
  'watch',
  'dryrun',
  'apply',
  'core-kinds',
  'discovery',
  'auth',
] as const;

describe.each(scenarios)('what kube-apiserver answered: %s', (scenario) => {
  let running: RunningServer;
  const aliases = new Aliases();

  beforeAll(async () => {
    const storage = new MemoryStorage({ clock: systemClock() });
    // The recordings begin with a history that is gone.
    for (let revision = 2; revision < 10; revision += 1)
      await storage.create(`/past/${revision}`, Buffer.from('{}'));
    await storage.compact(9);
    running = await startServer([widgets(), ...resources], storage, oneMoment(), {
      identity,
    });
  });
  afterAll(() => running.stop());

  it.each(recording(scenario).map((recorded) => [recorded.name, recorded] as const))(
    '%s',
    async (name, recorded) => {
      const answer = await replay(running, recorded, aliases, asWhom(scenario, name));
      const found = compare(recorded, answer, aliases);
      const reason = explained[scenario]?.[name];
      if (reason === undefined) expect(found, found.join('\n')).toEqual([]);
      else {
        expect(found, 'the difference is gone: remove its explanation').not.toEqual([]);
        expect({ status: answer.status }, answer.text).toEqual({ status: reason.status });
        expect(answer.text).toContain(reason.says ?? '');
      }
    },
  );
});

/** The recording took less than a second, so that the order of managers never came from their times. */
function oneMoment(): Clock {
  const clock = systemClock();
  const now = clock.now();
  return { ...clock, now: () => now };
}

/** Whom the recording of access control knew, besides its administrator. */
const identity: NonNullable<ApiServerOptions['identity']> = {
  staticTokens: {
    file: { version: () => Promise.resolve('1'), read: () => Promise.resolve('') },
    table: parseTokenFile('bobtok,bob,bob,devs\n'),
    version: '1',
  },
  serviceAccounts: {
    issuer: 'https://cluster.local',
    signingKey: parseSigningKey(
      generateKeyPairSync('ec', { namedCurve: 'P-256' })
        .privateKey.export({ type: 'pkcs8', format: 'pem' })
        .toString(),
    ),
    keys: [],
    maxTokenSeconds: 86_400,
  },
};

/** Who sent a recorded request: the recording keeps no credentials. undefined: the administrator. */
function asWhom(scenario: string, name: string): Record<string, string> | undefined {
  if (scenario !== 'auth') return undefined;
  if (name === 'no token') return {};
  if (name === 'bad token') return { authorization: 'Bearer nope' };
  const bobs = /^(bob .*|ssar yes|ssar no|ssrr)$/.test(name);
  return bobs ? { authorization: 'Bearer bobtok' } : undefined;
}

function replay(
  running: RunningServer,
  recorded: Exchange,
  aliases: Aliases,
  who: Record<string, string> | undefined,
): Promise<WireAnswer> {
  const { admin, caFile } = running.certificates;
  const path = aliases.translate(recorded.path).replace(/timeoutSeconds=\d+/, 'timeoutSeconds=1');
  const body = recorded.body === undefined ? undefined : aliases.translate(recorded.body);
  return exchange(
    running.port,
    { caFile, ...(who === undefined ? admin : {}) },
    {
      method: recorded.method,
      path,
      headers: {
        accept: 'application/json',
        ...(recorded.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...recorded.headers,
        ...who,
      },
      ...(body === undefined ? {} : { body }),
    },
  );
}

function compare(recorded: Exchange, answer: WireAnswer, aliases: Aliases): string[] {
  const found: string[] = [];
  if (recorded.status !== answer.status) {
    found.push(`status ${recorded.status} became ${answer.status}`);
  }
  const type = recorded.contentType ?? 'application/json';
  if (answer.contentType !== type) found.push(`${type} became ${String(answer.contentType)}`);
  if (type === 'application/yaml') {
    const texts = z.object({ text: z.string() }).parse(recorded.answer);
    return [...found, ...differences(parseYaml(texts.text), parseYaml(answer.text), aliases)];
  }
  const body = decoded(recorded.answer, answer.text);
  return [...found, ...differences(recorded.answer, body, aliases)];
}

/** Our text in the form in which the recording keeps its own. */
function decoded(recorded: unknown, text: string): unknown {
  if (typeof recorded === 'object' && recorded !== null && 'lines' in recorded) {
    const lines = text.split('\n').filter((line) => line !== '');
    return { lines: lines.map((line): unknown => JSON.parse(line)) };
  }
  if (recorded === undefined) return text === '' ? undefined : text;
  if (typeof recorded === 'object' && recorded !== null && 'text' in recorded) return { text };
  return JSON.parse(text);
}
