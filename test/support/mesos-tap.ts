import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { codec } from '../../proto/mesos/codec.ts';
import type { SchedulerCall } from '../../proto/mesos/generated/messages.ts';

/** What becomes of a call: passed on, or lost on its way. */
export type Fate = 'forward' | 'lose';

/**
 * A proxy between one cosmd and the master that keeps every call of the framework, in order. Hooks see a
 * call before the master does, and its answer before cosmd does, so that a test can strike in between.
 */
export class MesosTap {
  readonly calls: SchedulerCall[] = [];
  /** Waited for before a call is passed on. */
  before: (call: SchedulerCall) => Fate | Promise<Fate> = () => 'forward';
  /** Waited for when the master has answered a call, before the answer is passed back. */
  after: (call: SchedulerCall) => void | Promise<void> = () => undefined;
  readonly #target: URL;
  readonly #server = createServer((incoming, outgoing) => {
    this.#serve(incoming, outgoing).catch((error: unknown) => {
      outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });

  private constructor(target: string) {
    this.#target = new URL(`http://${target}`);
  }

  /** `target`: `host:port` of the one master. */
  static async start(target: string): Promise<MesosTap> {
    const tap = new MesosTap(target);
    tap.#server.listen(0, '127.0.0.1');
    await once(tap.#server, 'listening');
    return tap;
  }

  /** `host:port`, for a framework's list of masters. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the tap has stopped');
    return `127.0.0.1:${address.port}`;
  }

  /** Ids of all tasks that the framework has asked to launch, in the order of the calls. */
  get launched(): string[] {
    return this.calls.flatMap(launchesOf);
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    if (incoming.url?.endsWith('/redirect') === true) {
      outgoing.writeHead(307, { location: `//${this.address}` }).end();
      return;
    }
    const body = await read(incoming);
    const call = incoming.url?.endsWith('/scheduler') === true ? decode(incoming, body) : undefined;
    if (call !== undefined) {
      this.calls.push(call);
      if ((await this.before(call)) === 'lose') {
        outgoing.destroy();
        return;
      }
    }
    const answer = await this.#forward(incoming, body, outgoing);
    if (call !== undefined) await this.after(call);
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    outgoing.flushHeaders();
    answer.pipe(outgoing);
    answer.once('error', () => outgoing.destroy());
  }

  async #forward(
    incoming: IncomingMessage,
    body: Buffer,
    outgoing: ServerResponse,
  ): Promise<IncomingMessage> {
    const { hostname, port } = this.#target;
    const { method, url: path, headers } = incoming;
    const onward = request({ hostname, port, method, path, headers, agent: false });
    outgoing.once('close', () => onward.destroy());
    onward.end(body);
    return await new Promise((resolve, reject) => {
      onward.once('response', resolve);
      onward.on('error', reject);
    });
  }
}

/** Ids of the tasks that a call asks to launch. */
export function launchesOf({ accept }: SchedulerCall): string[] {
  return (accept?.operations ?? []).flatMap(({ launch, launch_group: group }) =>
    [...(launch?.task_infos ?? []), ...(group?.task_group.tasks ?? [])].map(
      ({ task_id: { value } }) => value,
    ),
  );
}

async function read(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

const calls = codec('mesos.v1.scheduler.Call');

function decode({ headers }: IncomingMessage, body: Buffer): SchedulerCall {
  return calls.decode(headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
}
