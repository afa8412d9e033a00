import type { ApiAccess } from '../client/access.ts';
import { assertUsable, impersonationOf } from '../client/access.ts';
import { openChannels } from '../client/channels.ts';
import type { Client } from '../client/client.ts';
import { refusal } from '../client/decode.ts';
import { httpsTransport } from '../client/https.ts';
import { loadKubeconfig, type KubeconfigContext } from '../client/kubeconfig.ts';
import { createClient } from '../client/resource-client.ts';
import type { ApiRequest, Transport } from '../client/transport.ts';
import type { ChannelSocket } from '../machinery/channel-socket.ts';
import type { AnyResource } from '../machinery/resource.ts';
import type { Context } from './context.ts';
import { parseDuration } from './duration.ts';
import type { GlobalOptions } from './options.ts';
import { cosmVersion } from './version.ts';

/** The server of one invocation. */
export interface Connection {
  server: string;
  /** Of `-n`, of the kubeconfig's context, or `default`. */
  namespace: string;
  /** Whether `-n` chose it: then files must not name another. */
  namespaceChosen: boolean;
  client: Client;
  transport: Transport;
  /** The decoded body of an answer; a refusal is thrown as ApiError. */
  send(request: ApiRequest): Promise<unknown>;
  /** The bytes of an answer as they come; it may be silent for long. */
  stream(request: ApiRequest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Connects to exec or attach of a Pod; names of the query may come more than once. */
  connect(
    path: string,
    query: readonly (readonly [string, string])[],
    signal: AbortSignal,
  ): Promise<ChannelSocket>;
  /** The namespace that an object of a kind is looked for in; undefined for cluster kinds. */
  namespaceFor(resource: Pick<AnyResource, 'namespaced'>): string | undefined;
}

/** Connects as flags, environment and kubeconfig say, runs `use`, and closes what was opened. */
export async function withConnection<T>(
  context: Context,
  options: GlobalOptions,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { access, namespace } = await resolveAccess(context, options);
  const { clock, signal } = context;
  const userAgent = `cosm/${cosmVersion} (${process.platform}/${process.arch})`;
  const timeoutMs = parseDuration(options.requestTimeout, '--request-timeout');
  const https = httpsTransport({ access, clock, userAgent, requestTimeoutMs: timeoutMs });
  const live: Pick<Connection, 'stream' | 'connect'> = {
    stream: (request, own) => https.stream(request, either(signal, own)),
    connect: (path, query, own) =>
      openChannels({
        access,
        clock,
        userAgent,
        timeoutMs,
        path,
        query,
        signal: either(signal, own),
      }),
  };
  const transport = interruptible(options.verbose ? traced(https, context) : https, context);
  try {
    return await use(connectionOf(context, { transport, ...live }, { access, namespace }, options));
  } finally {
    await https.close();
  }
}

function connectionOf(
  context: Context,
  wires: Pick<Connection, 'transport' | 'stream' | 'connect'>,
  { access, namespace }: Pick<KubeconfigContext, 'access' | 'namespace'>,
  options: GlobalOptions,
): Connection {
  const { transport } = wires;
  const warned = new Set<string>();
  const warn = (text: string): void => {
    if (warned.has(text)) return;
    warned.add(text);
    context.stderr.write(`Warning: ${text}\n`);
  };
  return {
    server: access.server,
    namespace,
    namespaceChosen: options.namespace !== undefined,
    ...wires,
    client: createClient(transport, { fieldManager: 'cosm', onWarning: warn }),
    send: async (request) => {
      const answer = await transport.request(request);
      answer.warnings.forEach(warn);
      if (answer.code >= 400) throw refusal(answer.body, answer.code);
      return answer.body;
    },
    namespaceFor: ({ namespaced }) => (namespaced ? namespace : undefined),
  };
}

async function resolveAccess(
  { env, home }: Context,
  options: GlobalOptions,
): Promise<Pick<KubeconfigContext, 'access' | 'namespace'>> {
  const { server } = options;
  const named = options.kubeconfig !== undefined || options.context !== undefined;
  if (server !== undefined && !named && !env['KUBECONFIG']) {
    // A server given alone is one without credentials: a development cluster on loopback.
    const access = actingAs({ server }, options);
    assertUsable(access);
    return { access, namespace: options.namespace ?? 'default' };
  }
  const found = await loadKubeconfig({
    path: options.kubeconfig,
    environment: env['KUBECONFIG'],
    home,
    context: options.context,
  });
  const access = actingAs(
    server === undefined ? found.access : { ...found.access, server },
    options,
  );
  assertUsable(access);
  return { access, namespace: options.namespace ?? found.namespace };
}

/** Options go before the kubeconfig: another user has neither the groups nor the uid it names. */
function actingAs(access: ApiAccess, { as, asGroup, asUid }: GlobalOptions): ApiAccess {
  const known = as === undefined ? access.impersonate : undefined;
  const impersonate = impersonationOf(
    as ?? known?.user,
    asGroup ?? known?.groups ?? [],
    asUid ?? known?.uid,
  );
  return impersonate === undefined ? access : { ...access, impersonate };
}

/** Ctrl-C ends what is under way. */
function interruptible(inner: Transport, { signal }: Context): Transport {
  return {
    request: (request, own) => inner.request(request, either(signal, own)),
    watch: (request, own) => inner.watch(request, either(signal, own)),
  };
}

function either(signal: AbortSignal, own: AbortSignal | undefined): AbortSignal {
  return own === undefined ? signal : AbortSignal.any([signal, own]);
}

/** `-v`: a line for each request and its answer. Never a header or a body: they hold secrets. */
function traced(inner: Transport, { stderr, clock }: Context): Transport {
  const line = ({ method, path, query }: ApiRequest): string => {
    const parameters = new URLSearchParams(query).toString();
    return `${method} ${path}${parameters === '' ? '' : `?${parameters}`}`;
  };
  return {
    request: async (request, signal) => {
      const start = clock.monotonic();
      const answer = await inner.request(request, signal);
      const ms = Math.round(clock.monotonic() - start);
      stderr.write(`${line(request)} ${answer.code} in ${ms} ms\n`);
      return answer;
    },
    watch: (request, signal) => {
      stderr.write(`${line(request)} (watch)\n`);
      return inner.watch(request, signal);
    },
  };
}
