import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates, type Certificates } from '../../../hack/local/certificates.ts';
import { systemClock, type Clock } from '../../../api/machinery/clock.ts';
import { systemRandom } from '../../../api/machinery/random.ts';
import type { AnyResource } from '../../../api/machinery/resource.ts';
import type { ConnectionBounds } from '../../../api/server/http/connections.ts';
import {
  createApiServer,
  type ApiServer,
  type ApiServerOptions,
} from '../../../api/server/server.ts';
import { MemoryStorage } from '../../../api/storage/memory.ts';
import type { Storage } from '../../../api/storage/storage.ts';

export interface RunningServer {
  server: ApiServer;
  storage: Storage;
  port: number;
  /** Holds the certificates; removed at the end. */
  directory: string;
  certificates: Certificates;
  /** What the server logged as warnings and errors. */
  complaints: string[];
  stop(): Promise<void>;
}

/** The API server over HTTPS on loopback, with its own authority. */
export async function startServer(
  resources: readonly AnyResource[],
  storage: Storage = new MemoryStorage({ clock: systemClock() }),
  clock: Clock = systemClock(),
  more: Partial<
    Pick<
      ApiServerOptions,
      'reporters' | 'agents' | 'authorization' | 'identity' | 'audit' | 'metrics' | 'streams'
    >
  > & { http2?: boolean; connections?: ConnectionBounds } = {},
): Promise<RunningServer> {
  const directory = await mkdtemp(join(tmpdir(), 'mesocosm-api-'));
  const certificates = ensureCertificates(directory);
  const complaints: string[] = [];
  const complain = (fields: unknown, message: string): void => {
    complaints.push(`${message}: ${JSON.stringify(fields)}`);
  };
  const server = createApiServer({
    storage,
    resources,
    clock,
    random: systemRandom(),
    authorization: 'RBAC',
    ...more,
    logger: { info: () => undefined, warn: complain, error: complain },
    version: '0.0.0',
    serverSetRoots: [{ prefix: '/mesocosm/<namespace>/' }],
    https: {
      host: '127.0.0.1',
      port: 0,
      http2: more.http2,
      connections: more.connections,
      tls: {
        key: readFileSync(certificates.server.keyFile),
        cert: readFileSync(certificates.server.certFile),
        clientCa: readFileSync(certificates.caFile),
      },
    },
  });
  await server.start();
  return {
    server,
    storage,
    port: server.address?.port ?? 0,
    directory,
    certificates,
    complaints,
    stop: async () => {
      await server.stop();
      await storage.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
