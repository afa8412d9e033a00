import { randomBytes } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { Metrics } from '../../../../api/machinery/metrics.ts';
import { measuredStorage } from '../../../../api/server/storage-metrics.ts';
import { EncryptedStorage } from '../../../../api/storage/encrypted.ts';
import { KeyRing, type EncryptionKey } from '../../../../api/storage/encryption.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { at, startHarness, textAt, type Harness } from './support/harness.ts';

const secrets = '/api/v1/namespaces/default/secrets';
const place = '/core/secrets/default/s';
const key = (name: string): EncryptionKey => ({ name, bytes: randomBytes(32) });
const older = key('older');
const newer = key('newer');

let harness: Harness | undefined;
afterEach(() => harness?.stop());

/** A server over `storage` with these keys; the one before it, over the same storage, has stopped. */
async function serverWith(storage: MemoryStorage, ...keys: EncryptionKey[]): Promise<Harness> {
  const ring = new KeyRing({ keys, nonce: randomBytes });
  const encrypted = new EncryptedStorage({ storage, ring, prefixes: ['/core/secrets/'] });
  // Timed, as every server's store is.
  const measured = measuredStorage(encrypted, new Metrics(), systemClock());
  harness = await startHarness({ storage: measured });
  return harness;
}

async function stored(storage: MemoryStorage, at = place): Promise<string> {
  return Buffer.from((await storage.get(at))?.value ?? []).toString('latin1');
}

const secret = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 's' },
  data: { k: Buffer.from('hunter2').toString('base64') },
};

it('keeps Secrets encrypted in the store, and nothing else', async () => {
  const storage = new MemoryStorage({ clock: systemClock() });
  const server = await serverWith(storage, older);
  expect((await server.send('POST', secrets, { body: secret })).code).toBe(201);
  const configMap = { ...secret, kind: 'ConfigMap', data: { k: 'plain' } };
  await server.send('POST', '/api/v1/namespaces/default/configmaps', { body: configMap });
  expect(await stored(storage)).toMatch(/^mesocosm:enc:aesgcm:v1:older:/);
  expect(await stored(storage)).not.toContain(secret.data.k);
  expect(await stored(storage, '/core/configmaps/default/s')).toContain('"plain"');
  const read = await server.send('GET', `${secrets}/s`);
  expect(at(read.body, 'data.k')).toBe(secret.data.k);
  const list = await server.send('GET', secrets);
  expect(at(list.body, 'items.0.data.k')).toBe(secret.data.k);
});

it('writes a Secret by the newest key when it is replaced by itself, and not again', async () => {
  const storage = new MemoryStorage({ clock: systemClock() });
  const before = await serverWith(storage, 'identity');
  await before.send('POST', secrets, { body: secret });
  expect(await stored(storage)).toContain(secret.data.k);

  const after = await startOver(before, storage, newer, 'identity');
  const { body } = await after.send('GET', `${secrets}/s`);
  const rehearsed = await after.send('PUT', `${secrets}/s`, { body, query: { dryRun: 'All' } });
  expect(rehearsed.code).toBe(200);
  expect(await stored(storage)).toContain(secret.data.k);
  const replaced = await after.send('PUT', `${secrets}/s`, { body });
  expect(replaced.code).toBe(200);
  expect(await stored(storage)).toMatch(/^mesocosm:enc:aesgcm:v1:newer:/);
  const version = textAt(replaced.body, 'metadata.resourceVersion');
  expect(version).not.toBe(textAt(body, 'metadata.resourceVersion'));
  const again = await after.send('PUT', `${secrets}/s`, { body: replaced.body });
  expect(textAt(again.body, 'metadata.resourceVersion')).toBe(version);
});

it('says of what it cannot decrypt how to mend it, and serves all other kinds', async () => {
  const storage = new MemoryStorage({ clock: systemClock() });
  const before = await serverWith(storage, older);
  await before.send('POST', secrets, { body: secret });

  const without = await startOver(before, storage, newer);
  for (const path of [secrets, `${secrets}/s`]) {
    const refused = await without.send('GET', path);
    expect(refused.code).toBe(500);
    expect(textAt(refused.body, 'message')).toContain(
      'it is encrypted by the key "older": add that key at the end of api.encryption.keys',
    );
  }
  expect((await without.send('GET', '/api/v1/namespaces/default/configmaps')).code).toBe(200);

  expect((await without.send('GET', '/readyz')).code).toBe(200);
  expect(without.logged.filter(({ level }) => level === 'warn')).toEqual([
    expect.objectContaining({ message: 'a stored object cannot be decrypted' }),
  ]);

  const mended = await startOver(without, storage, newer, older);
  expect((await mended.send('GET', `${secrets}/s`)).code).toBe(200);
});

it('does not take the value of one Secret in the place of another', async () => {
  const storage = new MemoryStorage({ clock: systemClock() });
  const before = await serverWith(storage, older);
  await before.send('POST', secrets, { body: secret });
  const value = (await storage.get(place))?.value ?? new Uint8Array();
  await storage.create('/core/secrets/default/stolen', value);
  const refused = await before.send('GET', `${secrets}/stolen`);
  expect(refused.code).toBe(500);
  expect(textAt(refused.body, 'message')).toContain('was changed or moved');
});

async function startOver(
  before: Harness,
  storage: MemoryStorage,
  ...keys: EncryptionKey[]
): Promise<Harness> {
  await before.server.stop();
  return serverWith(storage, ...keys);
}
