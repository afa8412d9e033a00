import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { systemRandom } from '../../../../api/machinery/random.ts';
import type { Config } from '../../../../controllers/cosmd/config.ts';
import { accessOf, findMasters } from '../../../../controllers/cosmd/masters.ts';
import { patientDetector } from '../../../../controllers/cosmd/drift/reporters.ts';
import type { MesosAddress } from '../../../../proto/mesos/transport.ts';
import { makeCertificates } from '../../api/client/certificates.ts';
import { startServer, type ScriptedServer } from '../../proto/mesos/scripted-server.ts';

const { ca, server, client } = makeCertificates();
let directory: string;
let master: ScriptedServer;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-masters-'));
  const files = { 'ca.pem': ca, 'cert.pem': client.cert, 'key.pem': client.key };
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(directory, name), content);
  const tls = { ...server, ca, requestCert: true, rejectUnauthorized: true };
  master = await startServer(({ response }) => {
    response.writeHead(307, { location: '//leader.example:5050' }).end();
  }, tls);
});
afterAll(async () => {
  await master.close();
  rmSync(directory, { recursive: true, force: true });
});

type Tls = NonNullable<NonNullable<Config['mesos']>['tls']>;

async function leader(tls: Tls | undefined): Promise<MesosAddress> {
  const { hostname, port } = master.address;
  const mesos: NonNullable<Config['mesos']> = {
    masters: [`${hostname}:${port}`],
    roles: ['mesocosm'],
    user: 'root',
    failoverTimeoutSeconds: 1,
    addressCheckSeconds: 1,
    orphans: 'Keep',
    tls,
  };
  const http = { clock: systemClock(), ...accessOf(mesos) };
  const context = { clock: http.clock, random: systemRandom() };
  const masters = findMasters(mesos.masters, http, context);
  return masters.detector.detect(new AbortController().signal);
}

const file = (name: string): string => join(directory, name);

describe('masters that want a certificate', () => {
  it('are reached over TLS with the one that is configured', async () => {
    const tls = {
      caFile: file('ca.pem'),
      certFile: file('cert.pem'),
      keyFile: file('key.pem'),
    };
    expect(await leader(tls)).toEqual({ hostname: 'leader.example', port: 5050 });
  });

  it.each([
    ['without TLS', undefined],
    ['without a certificate', { caFile: 'ca.pem' }],
    ['if their own is signed by another', { certFile: 'cert.pem', keyFile: 'key.pem' }],
  ])('are not reached %s', async (_how, names) => {
    const tls =
      names === undefined
        ? undefined
        : Object.fromEntries(Object.entries(names).map(([field, name]) => [field, file(name)]));
    await expect(leader(tls)).rejects.toMatchObject({ code: 'NoLeader' });
  });
});

describe('masters that ZooKeeper knows', () => {
  it('are waited for until it can be asked, by those who ask once', async () => {
    const connection = new EventEmitter();
    let asked = 0;
    const leading = { hostname: 'leader.example', port: 5050 };
    const detector = patientDetector({
      whenConnected: async () => {
        await once(connection, 'connected');
      },
      detector: {
        detect: () => {
          asked += 1;
          return Promise.resolve(leading);
        },
      },
    });
    const found = detector.detect(new AbortController().signal);
    await new Promise(setImmediate);
    expect(asked).toBe(0);
    connection.emit('connected');
    expect(await found).toEqual(leading);
  });

  it('are not known while it is away, which no longer than the caller is waited for', async () => {
    const clock = systemClock();
    // Nobody listens on this port.
    const masters = findMasters(
      'zk://127.0.0.1:1/mesos',
      { clock },
      { clock, random: systemRandom() },
    );
    try {
      await expect(masters.detector.detect(new AbortController().signal)).rejects.toMatchObject({
        code: 'CONNECTION_LOSS',
      });
      const patience = new AbortController();
      const waiting = masters.whenConnected(patience.signal);
      patience.abort();
      await expect(waiting).rejects.toThrow();
    } finally {
      await masters.close();
    }
  });
});
