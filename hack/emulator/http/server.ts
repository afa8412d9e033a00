import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { maxBodyBytes, text, type ApiAnswer, type ApiRequest } from './messages.ts';

export interface ListeningServer {
  readonly port: number;
  readonly server: Server;
  close(): Promise<void>;
}

/** Serves `handle` over plain HTTP/1.1. Port 0 takes a free one. */
export async function serve(
  handle: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>,
  options: { host: string; port: number },
): Promise<ListeningServer> {
  const server = createServer((request, response) => {
    void answer(handle, request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: addressOf(server).port,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return address;
}

async function answer(
  handle: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let result: ApiAnswer;
  try {
    result = await handle({
      method: request.method ?? 'GET',
      target: request.url ?? '/',
      headers: flat(request),
      ...(request.headers['content-type'] === 'application/recordio'
        ? { body: new Uint8Array(), stream: chunksOf(request) }
        : { body: await readBody(request) }),
    });
  } catch (error) {
    result = text(500, error instanceof Error ? error.message : String(error));
  }
  if (response.destroyed) return;
  if (result.kind === 'stream') stream(result, response);
  else plain(result, request, response);
}

function stream(result: Extract<ApiAnswer, { kind: 'stream' }>, response: ServerResponse): void {
  response.socket?.setNoDelay(true);
  response.writeHead(200, result.headers);
  response.flushHeaders();
  const subscriber = result.open({
    write: (chunk) => {
      if (!response.writableEnded) response.write(chunk);
    },
    end: () => {
      response.end();
    },
  });
  response.once('close', () => {
    subscriber.closed();
  });
}

function plain(
  { status, headers, body }: Extract<ApiAnswer, { kind: 'response' }>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const zip =
    body.length > 0 &&
    status === 200 &&
    /\bgzip\b/.test(String(request.headers['accept-encoding']));
  const content = zip ? gzipSync(body) : body;
  response.writeHead(status, {
    ...headers,
    ...(zip ? { 'Content-Encoding': 'gzip' } : {}),
    'Content-Length': content.length,
  });
  response.end(content);
}

function flat(request: IncomingMessage): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  );
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const bytes of chunksOf(request)) {
    size += bytes.length;
    if (size > maxBodyBytes) throw new Error(`the body exceeds ${maxBodyBytes} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

async function* chunksOf(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  for await (const chunk of request) {
    yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
  }
}
