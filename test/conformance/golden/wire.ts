import { readFileSync } from 'node:fs';
import { request, type Agent } from 'node:https';

export interface WireAnswer {
  status: number;
  contentType: string | undefined;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

export interface Identity {
  caFile: string;
  certFile?: string;
  keyFile?: string;
}

/** One HTTPS exchange with the bytes as given: no client library improves them. */
export function exchange(
  port: number,
  identity: Identity,
  given: {
    method: string;
    path: string;
    headers?: Record<string, string>;
    body?: string | Buffer;
    agent?: Agent;
  },
): Promise<WireAnswer> {
  const { certFile, keyFile, caFile } = identity;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        method: given.method,
        path: given.path,
        headers: {
          ...(given.body === undefined || given.headers?.['transfer-encoding'] !== undefined
            ? {}
            : { 'content-length': Buffer.byteLength(given.body) }),
          ...given.headers,
        },
        ca: readFileSync(caFile),
        ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
        ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
        ...(given.agent === undefined ? {} : { agent: given.agent }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            contentType: response.headers['content-type'],
            headers: response.headers,
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(given.body);
  });
}
