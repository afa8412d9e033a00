import type { ApiResponse, Method, Transport } from '../../../../../api/client/transport.ts';
import { systemClock, type Clock } from '../../../../../api/machinery/clock.ts';
import { isObject } from '../../../../../api/machinery/json.ts';
import { seededRandom } from '../../../../../api/machinery/random.ts';
import type { AnyResource } from '../../../../../api/machinery/resource.ts';
import type { Reporters } from '../../../../../api/server/endpoint.ts';
import {
  createApiServer,
  type ApiServer,
  type ApiServerOptions,
} from '../../../../../api/server/server.ts';
import { MemoryStorage } from '../../../../../api/storage/memory.ts';
import type { Storage } from '../../../../../api/storage/storage.ts';
import { resources as ourResources } from '../../../../../api/v1/resources.ts';
import { widgetResource } from './widget.ts';

export interface Harness {
  server: ApiServer;
  storage: Storage;
  transport: Transport;
  /** Sends a request; the answer's body as a JSON value. */
  send(
    method: Method,
    path: string,
    options?: {
      body?: unknown;
      query?: Record<string, string>;
      contentType?: string;
      accept?: string;
      fence?: { namespace: string; name: string; epoch: number };
    },
  ): Promise<ApiResponse>;
  logged: { level: string; fields: unknown; message: string }[];
  stop(): Promise<void>;
}

export const widgets = '/apis/conformance.dev/v1/namespaces/default/widgets';

/** An API server over memory storage, reached in process, with our kinds and the golden Widget. */
export async function startHarness(
  options: {
    storage?: Storage;
    clock?: Clock;
    resources?: readonly AnyResource[];
    containerNetworking?: boolean;
    mesosRoles?: readonly string[];
    authorization?: ApiServerOptions['authorization'];
    reporters?: Reporters;
    /** Of what is random: different for servers that share a store. */
    seed?: number;
  } = {},
): Promise<Harness> {
  const clock = options.clock ?? systemClock();
  const storage = options.storage ?? new MemoryStorage({ clock });
  const logged: Harness['logged'] = [];
  const log =
    (level: string) =>
    (fields: unknown, message: string): void => {
      logged.push({ level, fields, message });
    };
  const server = createApiServer({
    storage,
    clock,
    random: seededRandom(options.seed ?? 1),
    resources: options.resources ?? [widgetResource, ...ourResources],
    logger: { info: log('info'), warn: log('warn'), error: log('error') },
    version: '0.0.0',
    serverSetRoots: [{ prefix: '/mesocosm/<namespace>/' }],
    containerNetworking: options.containerNetworking ?? true,
    ...(options.mesosRoles === undefined ? {} : { mesosRoles: options.mesosRoles }),
    authorization: options.authorization ?? 'AlwaysAllow',
    ...(options.reporters === undefined ? {} : { reporters: options.reporters }),
  });
  await server.start();
  const transport = server.transport({ name: 'tester', groups: [] });
  return {
    server,
    storage,
    transport,
    logged,
    send: async (method, path, given = {}) => {
      const answer = await transport.request({ method, path, ...given });
      deepFreeze(answer.body);
      return answer;
    },
    stop: async () => {
      await server.stop();
      await storage.close();
    },
  };
}

/** Makes a change of a shared object throw, wherever it happens. */
function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const child of Object.values(value)) deepFreeze(child);
}

export function widget(
  name: string,
  spec: object = { color: 'red' },
  metadata: object = {},
): object {
  return {
    apiVersion: 'conformance.dev/v1',
    kind: 'Widget',
    metadata: { name, ...metadata },
    spec,
  };
}

/** The value at a dotted path of an answer, for assertions. */
export function at(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (node, key) =>
        Array.isArray(node)
          ? (node as unknown[])[Number(key)]
          : isObject(node)
            ? node[key]
            : undefined,
      value,
    );
}

/** As `at`, for texts; empty where there is none. */
export function textAt(value: unknown, path: string): string {
  const found = at(value, path);
  return typeof found === 'string' ? found : '';
}
