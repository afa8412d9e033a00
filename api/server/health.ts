import { textAnswer, type Answer } from './request.ts';

/** One named condition of being alive or ready. Throws, or answers why not. */
export interface HealthCheck {
  /** Lower case, in the path: `/readyz/storage`. */
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
  const excluded = new Set(query.getAll('exclude'));
  const name = path.replace(/\/$/, '').slice(`/${endpoint}`.length + 1);
  const chosen = name === '' ? all : all.filter((check) => check.name === name);
  if (chosen.length === 0) return textAnswer('404 page not found\n', 404);
  const results = await Promise.all(
    chosen.map(async (check) => ({
      name: check.name,
      excluded: excluded.has(check.name),
      problem: excluded.has(check.name) ? undefined : await run(check),
    })),
  );
  const failed = results.filter(({ problem }) => problem !== undefined);
  const lines = results.map(({ name: check, problem, excluded: left }) => {
    if (left) return `[+]${check} excluded: ok`;
    return problem === undefined ? `[+]${check} ok` : `[-]${check} failed: ${problem}`;
  });
  if (failed.length > 0) {
    return textAnswer([...lines, `${endpoint} check failed`, ''].join('\n'), 500);
  }
  if (!query.has('verbose')) return textAnswer('ok');
  return textAnswer([...lines, `${endpoint} check passed`, ''].join('\n'));
}

async function run(check: HealthCheck): Promise<string | undefined> {
  try {
    return await check.check();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
