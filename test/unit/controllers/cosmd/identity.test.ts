import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, parseConfig, type Config } from '../../../../controllers/cosmd/config.ts';
import { auditOptions, identityOptions } from '../../../../controllers/cosmd/identity.ts';

let directory: string;
const [authority = ''] = rootCertificates;
const file = (name: string): string => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-identity-'));
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(file('sign.pem'), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(file('public.pem'), pair.publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(file('tokens.csv'), 'hunter2,ann,1,dev\n');
  writeFileSync(file('broken.csv'), 'hunter2\n');
  writeFileSync(file('ca.pem'), authority);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The `api:` of a configuration that has these lines in it. */
function apiOf(...lines: string[]): NonNullable<Config['api']> {
  const text = `
clusterName: dev
storage: memory
api:
  certFile: api.crt
  keyFile: api.key
  clientCaFile: ca.crt
${lines.map((line) => `  ${line}`).join('\n')}
`;
  const { api } = parseConfig(text, 'cosmd.yaml', ['api']);
  if (api === undefined) throw new Error('no api');
  return api;
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('who may come in', () => {
  it('is nobody but the bearers of certificates, if nothing is said', () => {
    expect(identityOptions(apiOf())).toEqual({});
    expect(auditOptions(apiOf())).toBeUndefined();
  });

  it('is read from the files that are named', async () => {
    const options = identityOptions(
      apiOf(
        `tokenFile: ${file('tokens.csv')}`,
        `serviceAccounts: {issuer: "https://api.test", signingKeyFile: ${file('sign.pem')}, keyFiles: [${file('public.pem')}]}`,
        `oidc: {issuer: "https://id.test", clientId: c, caFile: ${file('ca.pem')}}`,
      ),
    );
    expect(options.staticTokens?.table.size).toBe(1);
    const { signingKey, keys, maxTokenSeconds } = options.serviceAccounts ?? {};
    expect(maxTokenSeconds).toBe(86_400);
    expect(keys?.map(({ id }) => id)).toEqual([signingKey?.id]);
    expect(options.oidc?.claims).toMatchObject({
      usernameClaim: 'sub',
      signingAlgorithms: ['RS256'],
    });
    expect(String(options.oidc?.ca)).toBe(authority);
    const tokens = options.staticTokens?.file;
    expect(await tokens?.version()).toBe(options.staticTokens?.version);
    writeFileSync(file('next.csv'), 'other,bob,2\n');
    renameSync(file('next.csv'), file('tokens.csv'));
    expect(await tokens?.version()).not.toBe(options.staticTokens?.version);
    expect(await tokens?.read()).toBe('other,bob,2\n');
  });

  it.each([
    [() => `tokenFile: ${file('nowhere')}`, 'api.tokenFile: ENOENT'],
    [() => `tokenFile: ${file('broken.csv')}`, 'api.tokenFile: line 1: the user'],
    [
      () => `serviceAccounts: {issuer: "https://a", signingKeyFile: ${file('public.pem')}}`,
      'api.serviceAccounts.signingKeyFile: is no private key in PEM',
    ],
    [
      () =>
        `serviceAccounts: {issuer: "https://a", signingKeyFile: ${file('sign.pem')}, keyFiles: [${file('broken.csv')}]}`,
      'api.serviceAccounts.keyFiles[0]: holds no key in PEM',
    ],
    [
      () => `serviceAccounts: {issuer: "http://a", signingKeyFile: ${file('sign.pem')}}`,
      'api.serviceAccounts.issuer: must be an https:// address',
    ],
    [
      () => `oidc: {issuer: "https://id.test", clientId: c, caFile: ${file('broken.csv')}}`,
      'api.oidc.caFile: the authorities of the provider hold no certificate in PEM',
    ],
    [() => 'oidc: {issuer: "http://id.test", clientId: c}', 'api.oidc.issuer: must be an https://'],
    [
      () => 'oidc: {issuer: "https://id.test", clientId: c, signingAlgorithms: [HS256]}',
      'api.oidc.signingAlgorithms[0]',
    ],
    [() => 'audit: {file: a, rules: [{level: RequestResponse}]}', 'api.audit.rules[0].level'],
    [() => 'audit: {file: a, rules: [{level: None, user: [x]}]}', 'api.audit.rules[0].user'],
  ])('is refused with the field when a file or a value is wrong: %#', (line, message) => {
    const found = refusal(() => identityOptions(apiOf(line())));
    expect(found).toContain(message);
    expect(found).not.toContain('hunter2');
  });
});

it('writes the audit log to the file that is named', async () => {
  const options = auditOptions(
    apiOf(`audit: {file: ${file('audit.log')}, rules: [{level: None}]}`),
  );
  expect(options?.rules).toEqual([{ level: 'None' }]);
  await options?.sink.write('{}\n');
  expect(readFileSync(file('audit.log'), 'utf8')).toBe('{}\n');
});
