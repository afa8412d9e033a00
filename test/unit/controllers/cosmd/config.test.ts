import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { seededRandom } from '../../../../api/machinery/random.ts';
import type { Storage } from '../../../../api/storage/storage.ts';
import { ConfigError, configSchema, parseConfig } from '../../../../controllers/cosmd/config.ts';
import { openStorage } from '../../../../controllers/cosmd/storage.ts';

const whole = `
clusterName: dev
mesos:
  masters: zk://127.0.0.1:2181/mesos
etcd:
  endpoints: [http://127.0.0.1:2379]
zookeeper:
  connect: 127.0.0.1:2181
api:
  certFile: api.crt
  keyFile: api.key
  clientCaFile: ca.crt
`;

function refusal(
  text: string,
  roles: readonly ('api' | 'controllers')[] = ['api', 'controllers'],
): string {
  try {
    parseConfig(text, 'cosmd.yaml', roles);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('the configuration of cosmd', () => {
  it('is complete with what has no default', () => {
    const config = parseConfig(whole, 'cosmd.yaml', ['api', 'controllers']);
    expect(config.mesos).toMatchObject({ roles: ['mesocosm'], user: 'root', orphans: 'Keep' });
    expect(config.brake).toEqual({ members: 10, percent: 20, windowSeconds: 300 });
    expect(config.featureGates.ContainerNetworking).toBe(true);
  });

  it('takes keys that encrypt, each by one name, and none that is no key', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mesocosm-keys-'));
    try {
      const file = (name: string): string => join(directory, name);
      await writeFile(file('good'), `${Buffer.alloc(32, 1).toString('base64')}\n`);
      await writeFile(file('short'), Buffer.alloc(16).toString('base64'));
      const encryption = (keys: string): string => `${whole}  encryption: {keys: [${keys}]}\n`;
      const open = (keys: string): Storage => {
        const config = parseConfig(`${encryption(keys)}storage: memory\n`, 'cosmd.yaml', ['api']);
        return openStorage(config, systemClock(), seededRandom(1));
      };
      expect(refusal(encryption(`{name: a, keyFile: f}, {name: a, keyFile: g}`))).toContain(
        'must name each key once',
      );
      expect(() => open(`{name: a, keyFile: ${file('short')}}`)).toThrow(
        'api.encryption.keys[a].keyFile: must hold 32 random bytes in base64',
      );
      const storage = open(`{name: a, keyFile: ${file('good')}}, identity`);
      await storage.create('/core/secrets/default/s', Buffer.from('x'));
      expect(await storage.outdated?.('/core/secrets/default/s')).toBe(false);
      await storage.close();
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('takes <namespace> in the roots of ServerSets, and nothing else in angle brackets', () => {
    const roots = (prefix: string): string => `${whole}serverSetRoots: [{prefix: ${prefix}}]\n`;
    const config = parseConfig(roots('/aurora/<namespace>'), 'cosmd.yaml', ['api', 'controllers']);
    expect(config.serverSetRoots).toEqual([{ prefix: '/aurora/<namespace>' }]);
    expect(refusal(roots('/aurora/<team>'))).toContain('serverSetRoots[0].prefix: must be');
    expect(refusal(roots('/aurora/'))).toContain('<namespace> in it stands for each');
  });

  it('names file, line, column and field of everything that is wrong', () => {
    const text = whole
      .replace('clusterName: dev', 'clusterName: Dev!')
      .replace('masters: zk://127.0.0.1:2181/mesos', 'masters: 7');
    expect(refusal(text).split('\n')).toEqual([
      'cosmd.yaml:2:14: clusterName: must be a DNS label: lower case, digits and -',
      'cosmd.yaml:4:12: mesos.masters: must be zk://host:port[,host:port…]/path or a list of host:port',
    ]);
  });

  it('refuses a field that it does not have', () => {
    expect(refusal(`${whole}extra: 1\n`)).toBe(
      'cosmd.yaml:13:8: extra: unknown field: remove it or check its spelling',
    );
    expect(refusal(`${whole}featureGates: {Flying: true}\n`)).toContain(
      'featureGates.Flying: unknown field',
    );
  });

  it('names the section that a role needs', () => {
    const api = whole.replace(/mesos:\n.*\n/, '').replace(/zookeeper:\n.*\n/, '');
    expect(refusal(api, ['api'])).toBe('accepted');
    expect(refusal(api).split('\n')).toEqual([
      'cosmd.yaml: mesos: is needed where the controllers run',
      'cosmd.yaml: zookeeper: is needed where the controllers run',
    ]);
  });

  it('refuses a principal without its secret', () => {
    expect(refusal(whole.replace('  masters', '  principal: me\n  masters'))).toContain(
      'mesos.secretFile',
    );
  });

  it('refuses half a certificate for Mesos', () => {
    const tls = (fields: string): string =>
      refusal(whole.replace('  masters', `  tls: {${fields}}\n  masters`));
    expect(tls('certFile: cert.pem')).toContain('mesos.tls.keyFile: certFile and keyFile');
    expect(tls('caFile: ca.pem')).toBe('accepted');
    expect(tls('')).toBe('accepted');
  });

  it('refuses an ACL for a digest user that it does not have, and half a certificate', () => {
    const zookeeper = (more: string): string =>
      refusal(whole.replace('connect: 127.0.0.1:2181', `connect: 127.0.0.1:2181\n  ${more}`));
    expect(zookeeper('acl: Creator')).toContain('zookeeper.digest: is needed');
    expect(zookeeper('tls: {caFile: ca.pem, keyFile: key.pem}')).toContain('zookeeper.tls.keyFile');
    expect(zookeeper('tls: {}')).toContain('zookeeper.tls.caFile');
    expect(zookeeper('digest: {user: "a:b", passwordFile: p}')).toContain('zookeeper.digest.user');
    expect(zookeeper('digest: {user: a, passwordFile: p}\n  acl: Creator')).toBe('accepted');
  });

  it('says where it is not YAML', () => {
    expect(refusal('a: [1\nb: }')).toMatch(/^cosmd\.yaml:2:\d+: /);
  });

  it('describes each of its fields at the top', () => {
    for (const [name, field] of Object.entries(configSchema.shape)) {
      expect(field.description, name).toBeTruthy();
    }
  });
});
