import type { Storage } from '../storage/storage.ts';
import { UnreadableObjectError, type ItemCache } from './registry/item.ts';
import { textAnswer, type Answer, type BytesAnswer } from './request.ts';

/** One named condition of being alive or ready. Throws, or answers why not. */
export interface HealthCheck {
  /** Lower case, in the path: `/readyz/etcd`. */
  name: string;
  /** undefined: all is well. The text is shown to anybody who asks: no secrets. */
  check(): Promise<string | undefined>;
}

const ping: HealthCheck = { name: 'ping', check: () => Promise.resolve(undefined) };

/** `/livez`, `/readyz` or the deprecated `/healthz`: all checks or the one that the path names. */
export async function healthAnswer(
  endpoint: 'healthz' | 'livez' | 'readyz',
  checks: readonly HealthCheck[],
  path: string,
  query: URLSearchParams,
): Promise<Answer> {
  const all = [ping, ...checks];
  const name = path.replace(/\/$/, '').slice(`/${endpoint}`.length + 1);
  if (name !== '') return oneAnswer(all.find((check) => check.name === name));
  const excluded = new Set(query.getAll('exclude'));
  const results = await Promise.all(
    all.map(async (check) => ({
      name: check.name,
      excluded: excluded.has(check.name),
      problem: excluded.has(check.name) ? undefined : await run(check),
    })),
  );
  const lines = results.map(({ name: check, problem, excluded: left }) => {
    if (left) return `[+]${check} excluded: ok`;
    return problem === undefined ? `[+]${check} ok` : `[-]${check} failed: ${problem}`;
  });
  const unknown = [...excluded].filter((one) => !all.some((check) => check.name === one));
  if (unknown.length > 0) {
    const listed = unknown.sort().map((one) => JSON.stringify(one));
    lines.push(`warn: some health checks cannot be excluded: no matches for ${listed.join(',')}`);
  }
  if (results.some(({ problem }) => problem !== undefined)) {
    return plain([...lines, `${endpoint} check failed`, ''].join('\n'), 500);
  }
  if (!query.has('verbose')) return plain('ok');
  return plain([...lines, `${endpoint} check passed`, ''].join('\n'));
}

async function oneAnswer(check: HealthCheck | undefined): Promise<Answer> {
  if (check === undefined) return plain('404 page not found\n', 404);
  const problem = await run(check);
  return problem === undefined ? plain('ok') : plain(`internal server error: ${problem}\n`, 500);
}

function plain(text: string, code = 200): BytesAnswer {
  const answer = textAnswer(text, code);
  return { ...answer, headers: { 'X-Content-Type-Options': 'nosniff' } };
}

async function run(check: HealthCheck): Promise<string | undefined> {
  try {
    return await check.check();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Whether the store answers and has nothing that stops it; named as in Kubernetes, whatever it is. */
export function storageCheck(storage: Storage): HealthCheck {
  return {
    name: 'etcd',
    check: async () => {
      await storage.head();
      const fatal = (await storage.problems()).filter(({ severity }) => severity === 'fatal');
      return fatal.length === 0
        ? undefined
        : fatal.map(({ reason, message }) => `${reason}: ${message}`).join('; ');
    },
  };
}

/** Whether the cache, from which lists and watches are served, follows the store. */
export function cacheCheck(cache: Pick<ItemCache, 'broken' | 'connected'>): HealthCheck {
  return {
    name: 'informer-sync',
    check: () => {
      const broken = cache.broken.find(({ cause }) => !(cause instanceof UnreadableObjectError));
      if (broken !== undefined) return Promise.resolve(broken.message);
      return Promise.resolve(cache.connected ? undefined : 'the cache does not follow the store');
    },
  };
}

/** Fails from the moment on that the server begins to stop, so that nobody new is sent to it. */
export function shutdownCheck(leaving: AbortSignal): HealthCheck {
  return {
    name: 'shutdown',
    check: () => Promise.resolve(leaving.aborted ? 'process is shutting down' : undefined),
  };
}
