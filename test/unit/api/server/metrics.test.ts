import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { Metrics } from '../../../../api/machinery/metrics.ts';
import { seededRandom } from '../../../../api/machinery/random.ts';
import type { Authorizer } from '../../../../api/server/authorizer.ts';
import { createApiServer, type ApiServer } from '../../../../api/server/server.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { resources } from '../../../../api/v1/resources.ts';

let server: ApiServer;
afterEach(() => server.stop());

/** Only `monitor` may read paths. */
const authorizer: Authorizer = {
  authorize: ({ user, verb, path }) =>
    Promise.resolve(
      user.name === 'monitor' || path !== '/metrics'
        ? { allowed: true }
        : { allowed: false, reason: `${verb} ${path}` },
    ),
};

async function start(metrics?: Metrics): Promise<void> {
  const clock = systemClock();
  const ignore = (): void => undefined;
  server = createApiServer({
    storage: new MemoryStorage({ clock }),
    clock,
    random: seededRandom(1),
    resources,
    logger: { info: ignore, warn: ignore, error: ignore },
    version: '0.0.0',
    serverSetRoots: [],
    authorization: authorizer,
    ...(metrics === undefined ? {} : { metrics }),
  });
  await server.start();
}

const ask = (method: 'GET' | 'POST', user = 'monitor') =>
  server.transport({ name: user, groups: [] }).request({ method, path: '/metrics' });

it('the metrics of the process are at /metrics, as they are when somebody asks', async () => {
  const metrics = new Metrics();
  const things = metrics.counter('things_total', 'Things.');
  await start(metrics);
  things.inc();
  const { code, body } = await ask('GET');
  expect(code).toBe(200);
  expect(body).toContain(
    '# HELP things_total Things.\n# TYPE things_total counter\nthings_total 1\n',
  );
  // The server's own: the namespaces that everybody may count on, and the writes that made them.
  expect(body).toMatch(/apiserver_storage_objects\{resource="namespaces"\} [1-9]/);
  expect(body).toMatch(
    /etcd_request_duration_seconds_count\{group="",operation="create",resource="namespaces"\} \d/,
  );
  things.inc();
  expect((await ask('GET')).body).toContain('things_total 2\n');
});

it('are read only, and only by who may get the path', async () => {
  await start(new Metrics());
  expect((await ask('POST')).code).toBe(405);
  expect((await ask('GET', 'somebody')).code).toBe(403);
});

it('are no path of a server that has none', async () => {
  await start();
  expect((await ask('GET')).code).toBe(404);
});
