import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { KubeconfigError, loadKubeconfig } from '../../../../api/client/kubeconfig.ts';

const directory = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const certificate = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

let count = 0;
function write(content: unknown, name = `config-${++count}`): string {
  const file = join(directory, name);
  writeFileSync(file, typeof content === 'string' ? content : stringify(content));
  return file;
}

function config(
  name: string,
  parts: { server?: string; cluster?: object; user?: object; namespace?: string; current?: string },
): object {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    ...(parts.current === undefined ? {} : { 'current-context': parts.current }),
    clusters: [{ name, cluster: { server: parts.server ?? 'https://one:6443', ...parts.cluster } }],
    users: [{ name, user: parts.user ?? { token: `token-of-${name}` } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: parts.namespace ?? '' } }],
  };
}

const home = directory;

describe('loadKubeconfig', () => {
  it('resolves the current context with inline data', async () => {
    const path = write(
      config('dev', {
        current: 'dev',
        namespace: 'prod',
        server: 'https://api.example:6443/',
        cluster: {
          'certificate-authority-data': base64(certificate),
          'tls-server-name': 'api.internal',
        },
        user: {
          'client-certificate-data': base64(certificate),
          'client-key-data': base64(certificate),
        },
      }),
    );
    expect(await loadKubeconfig({ path, home })).toEqual({
      name: 'dev',
      namespace: 'prod',
      access: {
        server: 'https://api.example:6443',
        ca: certificate,
        tlsServerName: 'api.internal',
        clientCertificate: certificate,
        clientKey: certificate,
      },
    });
  });

  it('reads referenced files relative to the file that names them', async () => {
    mkdirSync(join(directory, 'sub'), { recursive: true });
    write(certificate, 'sub/ca.crt');
    write('  from-file\n', 'sub/token');
    const content = config('dev', {
      current: 'dev',
      cluster: { 'certificate-authority': 'ca.crt' },
      user: { tokenFile: 'token', token: 'inline' },
    });
    const path = write(content, 'sub/config');
    const { access, namespace } = await loadKubeconfig({ path, home });
    expect(access).toEqual({
      server: 'https://one:6443',
      ca: certificate,
      token: 'from-file',
      tokenFile: join(directory, 'sub/token'),
    });
    expect(namespace).toBe('default');
  });

  it('merges a list of files: the first to name something wins, missing ones are skipped', async () => {
    const first = write(config('a', { server: 'https://first' }));
    const second = write({
      ...config('a', { server: 'https://second', current: 'b' }),
      contexts: [{ name: 'b', context: { cluster: 'a', user: 'a' } }],
    });
    const environment = [join(directory, 'absent'), first, '', second].join(':');
    const merged = await loadKubeconfig({ environment, home });
    expect(merged.name).toBe('b');
    expect(merged.access).toEqual({ server: 'https://first', token: 'token-of-a' });
    const chosen = await loadKubeconfig({ environment, home, context: 'a' });
    expect(chosen.name).toBe('a');
  });

  it('falls back to .kube/config in the home directory', async () => {
    mkdirSync(join(directory, 'home', '.kube'), { recursive: true });
    write(config('home', { current: 'home' }), 'home/.kube/config');
    const loaded = await loadKubeconfig({ home: join(directory, 'home'), environment: '' });
    expect(loaded.name).toBe('home');
  });

  it('keeps insecure-skip-tls-verify only where the file says so, and not beside a CA', async () => {
    const insecure = { 'insecure-skip-tls-verify': true };
    const path = write(config('dev', { current: 'dev', cluster: insecure }));
    expect((await loadKubeconfig({ path, home })).access.insecureSkipTlsVerify).toBe(true);
    const secure = write(config('dev', { current: 'dev' }));
    expect((await loadKubeconfig({ path: secure, home })).access).not.toHaveProperty(
      'insecureSkipTlsVerify',
    );
    const both = write(
      config('dev', {
        current: 'dev',
        cluster: { ...insecure, 'certificate-authority-data': base64(certificate) },
      }),
    );
    await expect(loadKubeconfig({ path: both, home })).rejects.toThrow(/exclude each other/);
  });

  const refusals: [string, unknown, RegExp][] = [
    ['no YAML', 'a: [', /is no YAML/],
    ['a wrong type', { clusters: 7 }, /clusters/],
    ['no current context', config('dev', {}), /no current-context.*dev/],
    ['an unknown context', { 'current-context': 'x' }, /no context "x"/],
    ['an unknown cluster', { ...config('dev', { current: 'dev' }), clusters: [] }, /cluster "dev"/],
    ['an unknown user', { ...config('dev', { current: 'dev' }), users: [] }, /user "dev"/],
    [
      'an exec plugin',
      config('dev', { current: 'dev', user: { exec: { command: 'x' } } }),
      /"exec" is not supported/,
    ],
    [
      'a proxy',
      config('dev', { current: 'dev', cluster: { 'proxy-url': 'http://p' } }),
      /proxy-url/,
    ],
    [
      'data that is no PEM',
      config('dev', { current: 'dev', cluster: { 'certificate-authority-data': 'AAAA' } }),
      /certificate-authority-data/,
    ],
    [
      'a missing key file',
      config('dev', { current: 'dev', user: { 'client-key': 'absent.key' } }),
      /client-key.*absent\.key/,
    ],
    [
      'a certificate without its key',
      config('dev', {
        current: 'dev',
        user: { 'client-certificate-data': base64(certificate) },
      }),
      /together/,
    ],
    [
      'plain HTTP to another machine',
      config('dev', { current: 'dev', server: 'http://10.1.2.3' }),
      /plain HTTP/,
    ],
  ];
  it.each(refusals)('refuses %s and names the file', async (_, content, message) => {
    const path = write(content);
    const loading = loadKubeconfig({ path, home });
    await expect(loading).rejects.toBeInstanceOf(KubeconfigError);
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toThrow(path);
  });

  it('says where it looked when there is nothing', async () => {
    const nowhere = join(directory, 'nowhere');
    await expect(loadKubeconfig({ home: nowhere })).rejects.toThrow(join(nowhere, '.kube/config'));
    await expect(loadKubeconfig({ path: nowhere, home })).rejects.toThrow(nowhere);
  });
});
