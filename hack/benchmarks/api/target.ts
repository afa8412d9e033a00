import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { Pool } from 'undici';
import type { Certificates } from '../../local/certificates.ts';
import { until } from '../../local/wait.ts';
import type { MeasuredProcess } from '../measured-process.ts';

/** What is measured: an API server with the administrator's certificate, over TLS on loopback. */
export interface TargetOptions {
  name: string;
  port: number;
  process: MeasuredProcess;
  certificates: Certificates;
  /** Connections, each with one request at a time. */
  concurrency: number;
}

export interface Sent {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  body?: object;
  contentType?: string;
  accept?: string;
}

export interface WatchStream {
  close(): void;
}

const readyWithinMs = 60_000;

export class Target {
  readonly name: string;
  readonly process: MeasuredProcess;
  readonly #pool: Pool;
  readonly #tls: { ca: string; cert: string; key: string };
  readonly #port: number;

  constructor({ name, port, process, certificates, concurrency }: TargetOptions) {
    this.name = name;
    this.process = process;
    this.#port = port;
    this.#tls = {
      ca: readFileSync(certificates.caFile, 'utf8'),
      cert: readFileSync(certificates.admin.certFile, 'utf8'),
      key: readFileSync(certificates.admin.keyFile, 'utf8'),
    };
    this.#pool = new Pool(`https://127.0.0.1:${port}`, {
      connections: concurrency,
      connect: this.#tls,
      bodyTimeout: 120_000,
      headersTimeout: 120_000,
    });
  }

  /** The bytes of an answer. Throws for all but 2xx. */
  async send({ method, path, body, contentType, accept }: Sent): Promise<Buffer> {
    const answer = await this.#pool.request({
      method,
      path,
      headers: {
        accept: accept ?? 'application/json',
        ...(body === undefined ? {} : { 'content-type': contentType ?? 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    if (answer.statusCode >= 300) {
      throw new Error(`${method} ${path}: ${answer.statusCode} ${bytes.toString().slice(0, 300)}`);
    }
    return bytes;
  }

  /** Waits until the server is ready. */
  async ready(): Promise<void> {
    const ready = await until(async () => {
      try {
        await this.send({ method: 'GET', path: '/readyz' });
        return true;
      } catch {
        return false;
      }
    }, readyWithinMs);
    if (!ready)
      throw new Error(`${this.name} is not ready; it says: ${this.process.log.slice(-2_000)}`);
  }

  /** A watch on a connection of its own. Resolves when it is open. */
  async watch(path: string, onData: (chunk: Buffer) => void): Promise<WatchStream> {
    const opening = request({
      host: '127.0.0.1',
      port: this.#port,
      path,
      agent: false,
      ...this.#tls,
    });
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      opening.once('response', resolve);
      opening.once('error', reject);
      opening.end();
    });
    if (response.statusCode !== 200) throw new Error(`GET ${path}: ${response.statusCode}`);
    response.on('data', onData);
    // Closing is what ends it.
    response.on('error', () => undefined);
    opening.on('error', () => undefined);
    return { close: () => opening.destroy() };
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}
