import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { httpsTransport, type HttpsTransport } from '../../../../api/client/https.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { Metrics } from '../../../../api/machinery/metrics.ts';
import { systemRandom } from '../../../../api/machinery/random.ts';
import type { AuditEvent } from '../../../../api/server/audit/event.ts';
import type { ApiServer } from '../../../../api/server/server.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { apiServerOf } from '../../../../controllers/cosmd/api.ts';
import { parseConfig } from '../../../../controllers/cosmd/config.ts';
import { ensureCertificates } from '../../../../hack/local/certificates.ts';

let directory: string;
let server: ApiServer;
let log = '';
const open: HttpsTransport[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-cosmd-'));
  const { caFile, server: own, serviceAccountKeyFile } = ensureCertificates(directory);
  writeFileSync(join(directory, 'tokens'), 'hunter2,root,1,system:masters\n');
  const config = parseConfig(
    `
clusterName: dev
storage: memory
api:
  listen: 127.0.0.1:0
  certFile: ${own.certFile}
  keyFile: ${own.keyFile}
  clientCaFile: ${caFile}
  tokenFile: ${join(directory, 'tokens')}
  serviceAccounts: {issuer: "https://api.test", signingKeyFile: ${serviceAccountKeyFile}}
  audit: {file: ${join(directory, 'audit')}}
`,
    'cosmd.yaml',
    ['api'],
  );
  const clock = systemClock();
  server = apiServerOf({
    config,
    storage: new MemoryStorage({ clock }),
    metrics: new Metrics(),
    clock,
    random: systemRandom(),
    logger: pino({ level: 'trace' }, { write: (line: string) => (log += line) }),
    readyChecks: [],
    reporters: {},
  });
  await server.start();
});
afterAll(async () => {
  for (const transport of open) await transport.close();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

function as(token: string): HttpsTransport {
  const transport = httpsTransport({
    access: {
      server: `https://127.0.0.1:${server.address?.port ?? 0}`,
      ca: readFileSync(join(directory, 'ca.crt'), 'utf8'),
      token,
    },
    clock: systemClock(),
    userAgent: 'tester',
  });
  open.push(transport);
  return transport;
}

it('takes the tokens that are configured, issues others, and writes both down without them', async () => {
  const root = as('hunter2');
  const accounts = '/api/v1/namespaces/default/serviceaccounts';
  const body = { metadata: { name: 'ci' } };
  expect((await root.request({ method: 'POST', path: accounts, body })).code).toBe(201);
  const path = `${accounts}/ci/token`;
  const answer = await root.request({ method: 'POST', path, body: {} });
  const { token } = (answer.body as { status: { token: string } }).status;
  const review = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const own = await as(token).request({ method: 'POST', path: review, body: {} });
  expect(own.body).toMatchObject({
    status: { userInfo: { username: 'system:serviceaccount:default:ci' } },
  });
  expect((await as('hunter3').request({ method: 'POST', path: review, body: {} })).code).toBe(401);
  await server.stop();
  const audit = readFileSync(join(directory, 'audit'), 'utf8');
  const events = audit
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditEvent);
  expect(events.filter(({ sourceIPs }) => sourceIPs !== undefined)).toMatchObject([
    { verb: 'create', user: { username: 'root' }, objectRef: { resource: 'serviceaccounts' } },
    { verb: 'create', user: { username: 'root' }, objectRef: { subresource: 'token', name: 'ci' } },
    { verb: 'create', user: { username: 'system:serviceaccount:default:ci' } },
    { verb: 'create', user: {}, responseStatus: { code: 401 } },
  ]);
  expect(log).toContain('bearer tokens were refused');
  for (const secret of ['hunter2', 'hunter3', token, token.split('.')[2] ?? token]) {
    expect(audit).not.toContain(secret);
    expect(log).not.toContain(secret);
  }
});
