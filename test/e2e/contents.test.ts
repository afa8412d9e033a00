import { afterAll, beforeAll, expect, it } from 'vitest';
import { findCondition } from '../../api/machinery/conditions.ts';
import { configMapResource } from '../../api/v1/config-map.ts';
import { jobResource } from '../../api/v1/job.ts';
import { secretResource } from '../../api/v1/secret.ts';
import type { Task } from '../../api/v1/task.ts';
import type { Container } from '../../api/v1/template.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { namespace, running, service, tasksOf } from './support/jobs.ts';

// Real processes: a task goes on only if it finds in its environment and files what it must.
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ emulator: { mode: 'process', agents: 1 } });
});
afterAll(() => cluster.stop());

const checks = [
  'test "$(echo "$DB_PASSWORD" | rev)" = "erom & 2retnuh"',
  'test "$MODE" = fast',
  'test "$APP_level" = debug',
  'test -z "$NONE"',
  'test "$(cat keys/db/password)" = "$DB_PASSWORD"',
  'test "$(cat etc/level)" = debug',
  'test "$(od -An -tx1 etc/logo)" = " 00 ff"',
  '! echo changed 2>/dev/null >etc/level',
  'test "$(stat -f -c %T keys/db/password)" = tmpfs',
];

const container = (name: string): Container => ({
  name,
  script: `${checks.join(' || exit 1; ')} || exit 1; touch passed; exec sleep 1000`,
  readinessProbe: { exec: { command: ['test', '-f', 'passed'] }, periodSeconds: 0.2 },
  resources: { requests: { cpu: '100m', memory: '64Mi' } },
  envFrom: [{ prefix: 'APP_', configMapRef: { name: 'app' } }],
  env: [
    { name: 'DB_PASSWORD', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } },
    { name: 'MODE', value: 'fast' },
    { name: 'NONE', valueFrom: { configMapKeyRef: { name: 'app', key: 'none', optional: true } } },
  ],
  volumeMounts: [
    { name: 'keys', mountPath: 'keys' },
    { name: 'app', mountPath: 'etc' },
  ],
});
const volumes = [
  { name: 'keys', secret: { secretName: 'db', items: [{ key: 'password', path: 'db/password' }] } },
  { name: 'app', configMap: { name: 'app' } },
];

it(
  'gives tasks of one container and of several what they refer to',
  { timeout: 180_000 },
  async () => {
    const { client } = cluster;
    const jobs = client.of(jobResource);
    const alone = { template: { volumes, containers: [container('main')] } };
    const group = { template: { volumes, containers: [container('main'), container('side')] } };
    await jobs.create(service('alone', alone));
    await jobs.create(service('group', group));
    const waiting = await eventually('the tasks say what they lack', async () => {
      const tasks = [...(await tasksOf(client, 'alone')), ...(await tasksOf(client, 'group'))];
      const said = tasks.map(({ status }) => findCondition(status?.conditions, 'Scheduled'));
      if (said.length === 2 && said.every((one) => one?.reason === 'ReferenceMissing'))
        return tasks;
      throw new Error(JSON.stringify(said));
    });

    await client.of(configMapResource).create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'app', namespace },
      data: { level: 'debug' },
      binaryData: { logo: 'AP8=' },
    });
    await client.of(secretResource).create({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'db', namespace },
      stringData: { password: 'hunter2 & more' },
    });
    const launched = [
      ...(await running(client, 'alone', 1)),
      ...(await running(client, 'group', 1)),
    ];
    const names = (tasks: readonly Task[]): string[] => tasks.map(({ metadata }) => metadata.name);
    expect(names(launched)).toEqual(names(waiting));
    expect(JSON.stringify(await tasksOf(client, 'alone'))).not.toContain('hunter2');
  },
);
