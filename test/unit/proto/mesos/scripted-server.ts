import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, RequestListener, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { ServerOptions } from 'node:https';
import { gunzipSync } from 'node:zlib';
import { encodeRecord } from '../../../../proto/mesos/recordio.ts';
import type { MesosAddress } from '../../../../proto/mesos/transport.ts';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Gunzipped if the request says so. */
  readonly body: Buffer;
  readonly response: ServerResponse;
}

/** A server on loopback that does what each test says; not a model of Mesos. */
export interface ScriptedServer {
  readonly address: MesosAddress;
  readonly received: readonly Received[];
  /** Resolves with the nth request (from 0), now or when it comes. */
  readonly request: (index: number) => Promise<Received>;
  readonly close: () => Promise<void>;
}

export async function startServer(
  answer: (request: Received, index: number) => void,
  tls?: ServerOptions,
): Promise<ScriptedServer> {
  const received: Received[] = [];
  const waiting = new Map<number, (request: Received) => void>();
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks);
      const { method = '', url: path = '', headers } = request;
      const body = headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
      const index = received.push({ method, path, headers, body, response }) - 1;
      const entry = received[index]!;
      waiting.get(index)?.(entry);
      answer(entry, index);
    });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  return {
    address: { hostname: '127.0.0.1', port: bound.port },
    received,
    request: async (index) =>
      received[index] ?? (await new Promise((resolve) => waiting.set(index, resolve))),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The head of an event stream. */
export function openStream(response: ServerResponse, type = 'application/json'): void {
  response.writeHead(200, { 'content-type': type, 'mesos-stream-id': 'stream-1' });
  response.flushHeaders();
}

export function jsonRecord(message: unknown): Uint8Array {
  return encodeRecord(Buffer.from(JSON.stringify(message)));
}
