import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../api/client/resource-client.ts';
import { systemClock } from '../../api/machinery/clock.ts';
import type { KubeObject } from '../../api/machinery/metadata.ts';
import { systemRandom } from '../../api/machinery/random.ts';
import type { Resource } from '../../api/machinery/resource.ts';
import { customResourceDefinitionResource } from '../../api/v1/custom-resource-definition.ts';
import { namespaceResource } from '../../api/v1/core.ts';
import { jobResource } from '../../api/v1/job.ts';
import { resourceQuotaResource } from '../../api/v1/resource-quota.ts';
import { resources } from '../../api/v1/resources.ts';
import { Caches, ownerIndexers } from '../../controllers/gc/caches.ts';
import { createCollector } from '../../controllers/gc/collector.ts';
import { KindFollower, Kinds } from '../../controllers/gc/kinds.ts';
import { createNamespaceController } from '../../controllers/gc/namespaces.ts';
import { createQuotaController } from '../../controllers/gc/quotas.ts';
import { Informer } from '../../controllers/runtime/informer.ts';
import { runAll } from '../../controllers/runtime/manager.ts';
import { kubectlVersions, type Kubectl, type Outcome } from './support/kubectl.ts';
import { administrator } from './support/people.ts';
import { startServer, type RunningServer } from './support/server.ts';

const all = await kubectlVersions();
/** The oldest and the newest at hand. */
const versions = all.filter((_each, index) => index === 0 || index === all.length - 1);

/** The loops of garbage and quotas, as the leader runs them. */
function startLoops(running: RunningServer): () => Promise<void> {
  const logger = pino({ level: 'silent' });
  const user = { name: 'system:mesocosm-controllers', groups: ['system:authenticated'] };
  const client = createClient(running.server.transport(user));
  const context = { client, clock: systemClock(), random: systemRandom(), logger };
  const informer = <T extends KubeObject>(resource: Resource<T>): Informer<T> =>
    new Informer({ ...context, client: client.of(resource), indexers: ownerIndexers });
  const namespaces = informer(namespaceResource);
  const quotas = informer(resourceQuotaResource);
  const definitions = informer(customResourceDefinitionResource);
  const jobs = informer(jobResource);
  const caches = new Caches([namespaces, quotas, definitions, jobs]);
  const kinds = new Kinds({ client, own: resources });
  const abort = new AbortController();
  const ended = runAll(
    [
      namespaces,
      quotas,
      definitions,
      jobs,
      new KindFollower({ ...context, caches, own: resources, definitions }),
      createCollector({ ...context, caches }),
      createNamespaceController({ ...context, namespaces, kinds }),
      createQuotaController({ ...context, quotas, caches, kinds }),
    ],
    abort.signal,
    logger,
  );
  return async () => {
    abort.abort();
    await ended;
  };
}

function job(name: string, namespace: string, more = ''): string {
  return `
apiVersion: mesocosm.dev/v1
kind: Job
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - {name: main, script: sleep 1000${more}}
`;
}

const demand = ', resources: {requests: {cpu: 500m, memory: 64Mi}}';

describe.each(versions)('kubectl 1.$minor', ({ file, minor }) => {
  let running: RunningServer;
  let kubectl: Kubectl;
  let stopLoops: () => Promise<void>;

  beforeAll(async () => {
    running = await startServer(resources);
    stopLoops = startLoops(running);
    kubectl = administrator(file, running);
  });
  afterAll(async () => {
    await stopLoops();
    await running.stop();
    expect(running.complaints).toEqual([]);
  });

  let files = 0;
  /** Applies what the text says. */
  async function tryApply(text: string, ...args: string[]): Promise<Outcome> {
    const path = await kubectl.file(`${(files += 1)}.yaml`, text);
    return kubectl.try(['apply', '-f', path, ...args]);
  }
  async function apply(text: string): Promise<void> {
    const { code, stderr } = await tryApply(text);
    expect(stderr).toBe('');
    expect(code).toBe(0);
  }

  /** Runs it until it prints what is waited for. */
  async function eventually(args: readonly string[], wanted: RegExp): Promise<void> {
    await expect.poll(async () => (await kubectl.try(args)).stdout).toMatch(wanted);
  }

  it('makes a quota, sees what is used of it, and is told what exceeds it', async () => {
    await kubectl.run('create', 'namespace', 'bounded');
    const hard = '--hard=count/jobs.mesocosm.dev=2,requests.cpu=1,limits.memory=1Gi';
    await kubectl.run('create', 'quota', 'team', '-n', 'bounded', hard);
    await eventually(['get', 'quota', 'team', '-n', 'bounded'], /requests\.cpu: 0\/1/);
    await apply(job('one', 'bounded', demand));
    const refused = await tryApply(job('two', 'bounded', demand));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      'jobs.mesocosm.dev "two" is forbidden: exceeded quota: team, requested: requests.cpu=1, used: requests.cpu=1, limited: requests.cpu=1',
    );
    const shown = await kubectl.run('describe', 'quota', 'team', '-n', 'bounded');
    expect(shown).toMatch(/count\/jobs\.mesocosm\.dev\s+1\s+2/);
    expect(shown).toMatch(/limits\.memory\s+128Mi\s+1Gi/);
    expect(await kubectl.run('describe', 'namespace', 'bounded')).toMatch(/requests\.cpu\s+1\s+1/);
    await kubectl.run('delete', 'jobs.mesocosm.dev', 'one', '-n', 'bounded');
    await eventually(['get', 'quota', 'team', '-n', 'bounded'], /requests\.cpu: 0\/1/);
    await apply(job('two', 'bounded', demand));
  });

  it('is given the defaults of a LimitRange, for all to see', async () => {
    await kubectl.run('create', 'namespace', 'limited');
    await apply(`
apiVersion: v1
kind: LimitRange
metadata: {name: sizes, namespace: limited}
spec:
  limits:
  - {type: Container, defaultRequest: {cpu: 100m, memory: 64Mi}, max: {memory: 1Gi}}
`);
    await apply(job('small', 'limited'));
    const path = '{.spec.template.spec.containers[0].resources}';
    const given = await kubectl.run(
      'get',
      'mj',
      'small',
      '-n',
      'limited',
      '-o',
      `jsonpath=${path}`,
    );
    expect(JSON.parse(given)).toEqual({
      requests: { cpu: '100m', memory: '64Mi' },
      limits: { memory: '1Gi' },
    });
    expect(await kubectl.run('describe', 'limits', 'sizes', '-n', 'limited')).toMatch(
      /Container\s+memory\s+-\s+1Gi\s+64Mi\s+1Gi/,
    );
    const large = ', resources: {requests: {cpu: 1, memory: 2Gi}}';
    const refused = await tryApply(job('large', 'limited', large));
    expect(refused.stderr).toContain('maximum memory usage per Container is 1Gi');
    expect(await tryApply(job('small', 'limited'))).toMatchObject({ code: 0 });
    const generation = await kubectl.run(
      'get',
      'mj',
      'small',
      '-n',
      'limited',
      '-o',
      'jsonpath={.metadata.generation}',
    );
    expect(generation).toBe('1');
  });

  it('is told of fields that there are not, and rehearses', async () => {
    const typo = await tryApply(job('typo', 'default', `${demand}, imagePullPolicy: Always`));
    expect(typo.code).toBe(1);
    expect(typo.stderr).toMatch(/imagePullPolicy/);
    const rehearsed = await tryApply(job('later', 'default', demand), '--dry-run=server');
    expect(rehearsed.stdout).toContain('created (server dry run)');
    expect((await kubectl.try(['get', 'mj', 'later'])).stderr).toContain('not found');
  });

  it('empties a namespace whole, and collects what an owner leaves behind', async () => {
    await kubectl.run('create', 'namespace', 'leaving');
    await apply(job('owner', 'leaving', demand));
    const uid = await kubectl.run(
      'get',
      'mj',
      'owner',
      '-n',
      'leaving',
      '-o',
      'jsonpath={.metadata.uid}',
    );
    await apply(`
apiVersion: v1
kind: ConfigMap
metadata:
  name: child
  namespace: leaving
  ownerReferences: [{apiVersion: mesocosm.dev/v1, kind: Job, name: owner, uid: ${uid}}]
`);
    await kubectl.run('create', 'secret', 'generic', 'mine', '-n', 'leaving', '--from-literal=a=b');
    await kubectl.run('delete', 'jobs.mesocosm.dev', 'owner', '-n', 'leaving');
    const child = [
      'get',
      'configmap',
      'child',
      '-n',
      'leaving',
      '--ignore-not-found',
      '-o',
      'name',
    ];
    await eventually(child, /^$/);
    await kubectl.run('delete', 'namespace', 'leaving', '--timeout=60s');
    expect((await kubectl.try(['get', 'namespace', 'leaving'])).stderr).toContain('not found');
  });

  it(`runs as the user of its namespace (1.${minor})`, async () => {
    await kubectl.run('create', 'namespace', 'owned');
    await kubectl.run('annotate', 'namespace', 'owned', 'mesocosm.dev/allowed-users=www,app');
    await apply(job('web', 'owned', demand));
    const user = '{.spec.template.spec.user}';
    expect(await kubectl.run('get', 'mj', 'web', '-n', 'owned', '-o', `jsonpath=${user}`)).toBe(
      'www',
    );
    const patch = JSON.stringify({ spec: { template: { spec: { user: 'root' } } } });
    const refused = await kubectl.try([
      'patch',
      'mj',
      'web',
      '-n',
      'owned',
      '--type=merge',
      '-p',
      patch,
    ]);
    expect(refused.stderr).toContain('but the namespace "owned" allows www, app');
  });
});
