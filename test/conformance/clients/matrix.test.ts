import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientCertificate } from '../../../hack/local/certificates.ts';
import { refusal } from '../../../api/client/decode.ts';
import type { ApiRequest } from '../../../api/client/transport.ts';
import { resources } from '../../../api/v1/resources.ts';
import { kubectlVersions } from '../support/kubectl.ts';
import { kubeconfigFile, withCertificate } from '../support/people.ts';
import { startServer, type RunningServer } from '../support/server.ts';
import { behaviours, type Ability, type Stage } from './behaviours.ts';
import { objectSchema, type Client, type ClientObject } from './client.ts';
import { cosmClient } from './cosm-client.ts';
import { kubectlClient } from './kubectl-client.ts';
import { nodeClient } from './node-client.ts';
import { pythonClient } from './python-client.ts';

/**
 * Clients that others wrote, over TLS, with access control on: each behaviour with each client that can
 * do it. The matrix is printed at the end, and lies in .local/test/clients.txt.
 */
const versions = await kubectlVersions();

interface Maker {
  label: string;
  /** What this client cannot do. */
  lacks: readonly Ability[];
  make: (home: string, kubeconfig: string) => Client;
}

const makers: readonly Maker[] = [
  ...versions.map((version): Maker => ({
    label: `kubectl 1.${version.minor}`,
    // `auth whoami` came with 1.27.
    lacks: version.minor < 27 ? ['whoAmI'] : [],
    make: (home, kubeconfig) => kubectlClient(version, home, kubeconfig),
  })),
  {
    label: 'client-node',
    lacks: ['table', 'applyClientSide', 'untilReady'],
    make: (_home, kubeconfig) => nodeClient(kubeconfig),
  },
  {
    label: 'python',
    lacks: ['table', 'apply', 'applyClientSide', 'dryRun', 'untilReady', 'whoAmI'],
    make: (_home, kubeconfig) => pythonClient(kubeconfig),
  },
  {
    label: 'cosm',
    // `get -w` prints rows, which do not say what has happened.
    lacks: ['watch'],
    make: cosmClient,
  },
];
const labels = makers.map(({ label }) => label);

/** What came of each behaviour with each client that has it. */
const cells = new Map<string, 'yes' | 'no'>();

let running: RunningServer;
const started: Client[] = [];

beforeAll(async () => {
  running = await startServer(resources);
  await write('POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'lookers' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'lookers' }],
  });
});
afterAll(async () => {
  await Promise.all(started.map((client) => client.close()));
  await running.stop();
  print();
});

const past = () =>
  running.server.transport({ name: 'past-the-client', groups: ['system:masters'] });

async function truth(path: string): Promise<ClientObject | undefined> {
  const { code, body } = await past().request({ method: 'GET', path });
  if (code === 404) return undefined;
  if (code !== 200) throw refusal(body, code);
  return objectSchema.parse(body);
}

async function write(method: ApiRequest['method'], path: string, body: object): Promise<void> {
  const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  const answer = await past().request({ method, path, body, contentType });
  if (answer.code >= 400) throw refusal(answer.body, answer.code);
}

describe.each(makers)('$label', ({ label, lacks, make }) => {
  const index = labels.indexOf(label);
  let stage: Omit<Stage, 'name'>;

  beforeAll(async () => {
    const viewer = clientCertificate(running.directory, 'viewer', ['lookers']);
    const home = join(running.directory, `home-${index}`);
    await mkdir(home, { recursive: true });
    const file = (user: object): string => kubeconfigFile(running, user);
    const client = make(home, file(withCertificate(running.certificates.admin)));
    const looker = make(home, file(withCertificate(viewer)));
    const stranger = make(home, file({ token: 'nobody-knows-it' }));
    started.push(client, looker, stranger);
    stage = { client, viewer: looker, stranger, truth, write };
  });

  const able = behaviours.filter(({ needs }) => !needs.some((need) => lacks.includes(need)));
  it.each(able)('$name', async (behaviour) => {
    const at = `${behaviour.name}/${label}`;
    cells.set(at, 'no');
    for (const need of behaviour.needs) expect(stage.client).toHaveProperty(need);
    await behaviour.run({ ...stage, name: `b${behaviours.indexOf(behaviour)}-c${index}` });
    cells.set(at, 'yes');
  });
});

function print(): void {
  const width = Math.max(...behaviours.map(({ name }) => name.length));
  const lines = [
    `${''.padEnd(width)}  ${labels.join('  ')}`,
    ...behaviours.map(({ name }) => {
      const row = labels.map((label) =>
        (cells.get(`${name}/${label}`) ?? '–').padEnd(label.length),
      );
      return `${name.padEnd(width)}  ${row.join('  ')}`.trimEnd();
    }),
  ];
  const directory = new URL('../../../.local/test/', import.meta.url);
  mkdirSync(directory, { recursive: true });
  writeFileSync(new URL('clients.txt', directory), `${lines.join('\n')}\n`);
  console.log(lines.join('\n'));
}
