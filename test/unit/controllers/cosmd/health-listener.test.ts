import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { Metrics } from '../../../../api/machinery/metrics.ts';
import { parseConfig } from '../../../../controllers/cosmd/config.ts';
import {
  HealthListener,
  type HealthListenerOptions,
} from '../../../../controllers/cosmd/health-listener.ts';
import { tlsOf } from '../../../../controllers/cosmd/listen.ts';
import {
  clientCertificate,
  ensureCertificates,
  type Certificates,
} from '../../../../hack/local/certificates.ts';

let directory: string;
let certificates: Certificates;
let listener: HealthListener | undefined;
let end: () => Promise<void> = () => Promise.resolve();

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-health-'));
  certificates = ensureCertificates(directory);
});
afterEach(() => end());
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function serve(
  tls: HealthListenerOptions['tls'],
  problem?: string,
  patienceMs = 10_000,
): Promise<number> {
  const stop = new AbortController();
  const metrics = new Metrics();
  metrics.collect('gauge', 'answer', 'Of all.', () => [{ value: 42 }]);
  return new Promise<number>((resolve) => {
    const serving = new HealthListener({
      listen: { host: '127.0.0.1', port: 0 },
      tls,
      checks: [{ name: 'api', check: () => Promise.resolve(problem) }],
      metrics,
      patienceMs,
      clock: systemClock(),
      logger: {
        info: (fields: unknown) => resolve((fields as { address: { port: number } }).address.port),
        warn: () => undefined,
      },
    });
    listener = serving;
    const done = serving.run(stop.signal);
    end = () => {
      stop.abort();
      return done;
    };
  });
}

interface Asked {
  method?: string;
  tls?: { certFile: string; keyFile: string } | 'anonymous';
}

async function ask(
  port: number,
  path: string,
  { method = 'GET', tls }: Asked = {},
): Promise<{ code: number | undefined; text: string }> {
  const target = { host: '127.0.0.1', port, path, method, agent: false as const };
  const files = tls === undefined || tls === 'anonymous' ? undefined : tls;
  const sent =
    tls === undefined
      ? httpRequest(target)
      : httpsRequest({
          ...target,
          ca: readFileSync(certificates.caFile),
          ...(files && { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) }),
        });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve).once('error', reject).end();
  });
  let text = '';
  for await (const chunk of response as AsyncIterable<Buffer>) text += chunk.toString();
  return { code: response.statusCode, text };
}

describe('health and metrics of controllers', () => {
  it('are served without TLS on loopback', async () => {
    const port = await serve(undefined);
    expect(await ask(port, '/metrics')).toMatchObject({ code: 200 });
    expect((await ask(port, '/metrics')).text).toContain('answer 42');
    expect(await ask(port, '/readyz')).toEqual({ code: 200, text: 'ok' });
    expect((await ask(port, '/readyz?verbose')).text).toContain('[+]api ok\n');
    expect(await ask(port, '/readyz/api')).toEqual({ code: 200, text: 'ok' });
    expect(await ask(port, '/livez')).toEqual({ code: 200, text: 'ok' });
    expect(await ask(port, '/secrets')).toMatchObject({ code: 404 });
    expect(await ask(port, '/metrics', { method: 'POST' })).toMatchObject({ code: 405 });
    expect(await ask(port, '/readyz', { method: 'HEAD' })).toEqual({ code: 200, text: '' });
  });

  it('say what is wrong by name', async () => {
    const port = await serve(undefined, 'the API answers 401');
    const failed = '[+]ping ok\n[-]api failed: the API answers 401\nreadyz check failed\n';
    expect(await ask(port, '/readyz')).toEqual({ code: 500, text: failed });
    expect(await ask(port, '/healthz')).toMatchObject({ code: 500 });
    expect(await ask(port, '/readyz?exclude=api')).toMatchObject({ code: 200 });
    expect(await ask(port, '/livez')).toMatchObject({ code: 200 });
  });

  it('show metrics over TLS to certificates of those who may read them alone', async () => {
    const port = await serve(
      tlsOf('controllers', { ...certificates.server, clientCaFile: certificates.caFile }),
    );
    const scraper = clientCertificate(directory, 'prometheus', ['system:monitoring']);
    const other = clientCertificate(directory, 'ann', ['dev']);
    expect(await ask(port, '/metrics', { tls: scraper })).toMatchObject({ code: 200 });
    expect(await ask(port, '/metrics', { tls: certificates.admin })).toMatchObject({ code: 200 });
    expect(await ask(port, '/metrics', { tls: other })).toMatchObject({ code: 403 });
    expect(await ask(port, '/metrics', { tls: 'anonymous' })).toMatchObject({ code: 403 });
    expect(await ask(port, '/readyz', { tls: 'anonymous' })).toMatchObject({ code: 200 });
  });

  it('take on another certificate and other authorities', async () => {
    const own = { ...certificates.server, clientCaFile: certificates.caFile };
    const port = await serve(tlsOf('controllers', own));
    const others = ensureCertificates(join(directory, 'others'));
    const next = tlsOf('controllers', { ...own, clientCaFile: others.caFile });
    expect(listener?.setTls(next)).toBe(true);
    expect(listener?.setTls(next)).toBe(false);
    expect(await ask(port, '/metrics', { tls: certificates.admin })).toMatchObject({ code: 403 });
    expect(await ask(port, '/metrics', { tls: others.admin })).toMatchObject({ code: 200 });
  });

  it('are not kept from others by who reads no answers', async () => {
    const port = await serve(undefined, undefined, 200);
    const deaf = connect(port, '127.0.0.1').on('error', () => undefined);
    const cut = new Promise((resolve) => deaf.once('close', resolve));
    const verbose = 'GET /readyz?verbose HTTP/1.1\r\nHost: x\r\n\r\n';
    // More than fits between the two: the server has to wait for room.
    deaf.pause().write(verbose.repeat(200_000));
    await cut;
  });

  it.each([
    ['listen: 0.0.0.0:9000', 'controllers.certFile: is needed, with keyFile and clientCaFile'],
    ['listen: "127.0.0.1:1", certFile: a', 'certFile, keyFile and clientCaFile go together'],
    ['certFile: a, keyFile: b, clientCaFile: c', 'controllers.listen: is needed'],
  ])('are configured wrongly by {%s}', (fields, fault) => {
    const text = `clusterName: dev\nstorage: memory\nmesos: {masters: ["m:5050"]}\nzookeeper: {connect: "z:2181"}\nkubeconfig: k\ncontrollers: {${fields}}\n`;
    expect(() => parseConfig(text, 'cosmd.yaml', ['controllers'])).toThrow(fault);
  });
});
