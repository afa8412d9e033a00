import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { statusSchema, type Status } from '../../api/machinery/errors.ts';
import { TestCluster } from '../support/cluster.ts';
import { etcdHistory, isRoutine, quiet } from './support/etcd-history.ts';
import { service, type ServiceOptions } from './support/jobs.ts';

let cluster: TestCluster;
let directory: string;
let revision: number;

beforeAll(async () => {
  cluster = await TestCluster.start({ tapped: true, emulator: { agents: 1 } });
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-input-'));
  revision = await quiet(cluster.etcd.endpoint);
});
afterAll(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** What cosmd says of itself, on a busy machine a while after it has started. */
const ofItself = /^(mesocosm\.dev\/frameworks\/|core\/events\/default\/mesocosm-system\.)/;

/** Nothing that is refused leaves a trace in the store or reaches Mesos. */
afterEach(async () => {
  const written = (await etcdHistory(cluster.etcd.endpoint)).filter(
    (write) => write.revision > revision && !isRoutine(write) && !ofItself.test(write.key),
  );
  expect(written).toEqual([]);
  expect(cluster.taps[0]?.launched).toEqual([]);
});

const jobs = '/apis/mesocosm.dev/v1/namespaces/default/jobs';

const kubeconfigSchema = z.object({
  clusters: z.tuple([
    z.object({
      cluster: z.object({ server: z.string(), 'certificate-authority-data': z.string() }),
    }),
  ]),
  users: z.tuple([
    z.object({
      user: z.object({ 'client-certificate-data': z.string(), 'client-key-data': z.string() }),
    }),
  ]),
});

interface Answer {
  code: number;
  status: Status;
}

/** A request as any HTTP client would make it, with the bytes given. */
async function post(body: string, path = jobs, type = 'application/json'): Promise<Answer> {
  const config = kubeconfigSchema.parse(parse(readFileSync(cluster.kubeconfig, 'utf8')));
  const [{ cluster: server }] = config.clusters;
  const [{ user }] = config.users;
  const decode = (text: string): string => Buffer.from(text, 'base64').toString();
  const outgoing = request(`${server.server}${path}`, {
    method: 'POST',
    ca: decode(server['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
    headers: { 'content-type': type, 'content-length': Buffer.byteLength(body) },
  });
  return await new Promise((done, failed) => {
    outgoing.once('error', failed);
    outgoing.once('response', (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      incoming.once('end', () => {
        done({ code: incoming.statusCode ?? 0, status: statusSchema.parse(JSON.parse(text)) });
      });
    });
    outgoing.end(body);
  });
}

const job = (options: ServiceOptions = {}, name = 'bad') => service(name, options);

const container = 'spec.template.spec.containers[0]';
const cpu = (amount: string) =>
  job({ container: { resources: { requests: { cpu: amount, memory: '64Mi' } } } });
const script = (bytes: number) =>
  job({ container: { script: `# ${'x'.repeat(bytes)}\nexec server --port 8080` } });

interface Fault {
  what: string;
  job: unknown;
  field: string;
  reason: string;
  /** What is wrong, and how to mend it. */
  message: RegExp;
}

const faults: Fault[] = [
  {
    what: 'a wrong type',
    job: { ...job(), spec: { ...job().spec, replicas: 'three' } },
    field: 'spec.replicas',
    reason: 'FieldValueTypeInvalid',
    message: /"three": must be a number/,
  },
  {
    what: 'a network that is not offered',
    job: job({ template: { networks: [{ name: 'no-such-net' }] } }),
    field: 'spec.template.spec.networks[0].name',
    reason: 'FieldValueInvalid',
    message: /no Network of this name: ask an operator to offer it/,
  },
  {
    what: 'a port twice',
    job: job({
      container: {
        ports: [
          { name: 'http', containerPort: 8080 },
          { name: 'admin', containerPort: 8080 },
        ],
      },
    }),
    field: `${container}.ports[1].containerPort`,
    reason: 'FieldValueDuplicate',
    message: /"TCP 8080": give each its own/,
  },
  {
    what: 'more than any machine has',
    job: cpu('9999'),
    field: `${container}.resources.requests.cpu`,
    reason: 'FieldValueInvalid',
    message: /"9999": must be between 10m and 4096/,
  },
  {
    what: 'less than nothing',
    job: cpu('-1'),
    field: `${container}.resources.requests.cpu`,
    reason: 'FieldValueInvalid',
    message: /"-1": must be between 10m and 4096/,
  },
  {
    what: 'no quantity',
    job: cpu('much'),
    field: `${container}.resources.requests.cpu`,
    reason: 'FieldValueInvalid',
    message: /"much": must be a quantity such as 200m/,
  },
  {
    what: 'a name that is too long for its tasks',
    job: job({}, 'a'.repeat(47)),
    field: 'metadata.name',
    reason: 'FieldValueInvalid',
    message: /at most 46 characters/,
  },
  {
    what: 'a template of 2 MB',
    job: script(2_000_000),
    field: 'spec.template',
    reason: 'FieldValueTooLong',
    message: /2000\d+ bytes, at most 131072: fetch large content inside the task/,
  },
  {
    what: 'a path of another namespace',
    job: job({
      serverSet: { zkPath: '/mesocosm/other/bad', primaryPort: 'http' },
    }),
    field: 'spec.serverSet.zkPath',
    reason: 'FieldValueInvalid',
    message: /\/mesocosm\/default/,
  },
];

describe('the API refuses', { timeout: 180_000 }, () => {
  it.each(faults)('$what, by its field, with the reason and the mend', async (fault) => {
    const { code, status } = await post(JSON.stringify(fault.job));
    expect(code).toBe(422);
    expect(status).toMatchObject({ kind: 'Status', status: 'Failure', reason: 'Invalid', code });
    expect(status.details?.causes).toEqual([
      {
        field: fault.field,
        reason: fault.reason,
        message: expect.stringMatching(fault.message) as string,
      },
    ]);
    expect(status.message).toContain(`${fault.field}: `);
  });

  it.each([
    ['at the top of the spec', { ...job(), spec: { ...job().spec, replica: 3 } }, 'spec.replica'],
    [
      'deep inside',
      { ...job(), spec: { template: { spec: { containers: [{ name: 'main', image: 'x' }] } } } },
      `${container}.image`,
    ],
  ])('an unknown field %s, as Kubernetes does', async (_, body, field) => {
    const { code, status } = await post(JSON.stringify(body));
    expect(code).toBe(400);
    expect(status.reason).toBe('BadRequest');
    expect(status.message).toContain(`unknown field "${field}"`);
  });

  it('a body beyond its bound, and says what the bound is', async () => {
    const { code, status } = await post(JSON.stringify(script(4_000_000)));
    expect(code).toBe(413);
    expect(status.message).toMatch(/limit is \d+ bytes/);
  });

  it.each([
    ['JSON that ends too early', '{"apiVersion": ', 'application/json', 400, /Unexpected end/],
    ['YAML that is none', 'kind: [', 'application/yaml', 400, /line 1, column 8/],
    ['text', stringify(job()), 'text/plain', 415, /application\/json, application\/yaml/],
  ])('%s', async (_, body, type, expected, message) => {
    const { code, status } = await post(body, jobs, type);
    expect(code).toBe(expected);
    expect(status.message).toMatch(message);
  });
});

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** cosm apply of documents that it finds in `bad.yaml`. */
async function apply(text: string): Promise<Outcome> {
  writeFileSync(join(directory, 'bad.yaml'), text);
  const program = resolve(import.meta.dirname, '../../.local/bin/cosm');
  const options = { cwd: directory, env: { ...process.env, KUBECONFIG: cluster.kubeconfig } };
  return await new Promise((done) => {
    execFile(program, ['apply', '-f', 'bad.yaml'], options, (error, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

/** Where `word` begins, as line:column. */
function place(text: string, word: string): string {
  const lines = text.slice(0, text.indexOf(word)).split('\n');
  return `${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
}

describe(
  'cosm apply of a good document and a bad one changes nothing',
  { timeout: 180_000 },
  () => {
    const documents = (bad: unknown): string =>
      `${stringify(job({}, 'good'))}---\n${stringify(bad)}`;

    it('when a field is unknown', async () => {
      const text = documents({ ...job(), spec: { ...job().spec, replica: 33 } });
      expect(await apply(text)).toEqual({
        code: 1,
        stdout: '',
        stderr: `bad.yaml:${place(text, '33')}: spec.replica: unknown field "spec.replica": remove it or check its spelling\nerror: 1 mistake; nothing was changed\n`,
      });
    });

    it('when a network is not offered', async () => {
      const text = documents(job({ template: { networks: [{ name: 'no-such-net' }] } }));
      const { code, stdout, stderr } = await apply(text);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toContain(
        `bad.yaml:${place(text, 'no-such-net')}: spec.template.spec.networks[0].name: `,
      );
      expect(stderr).toContain('ask an operator to offer it');
      expect(stderr).toContain('nothing was changed');
    });

    it('when it is no YAML', async () => {
      const text = `${stringify(job({}, 'good'))}---\nkind: [x\n`;
      const { code, stdout, stderr } = await apply(text);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/^bad\.yaml:\d+:\d+: invalid YAML: /);
      expect(stderr).toContain('nothing was changed');
    });
  },
);
