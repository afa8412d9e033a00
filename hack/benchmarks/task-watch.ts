import { z } from 'zod';
import type { HttpsTransport } from '../../api/client/https.ts';
import { networks } from './cluster.ts';

const frameSchema = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.unknown(),
});

const taskSchema = z.object({
  metadata: z.object({ name: z.string(), uid: z.string(), resourceVersion: z.string() }),
  spec: z.object({ job: z.string() }),
  status: z
    .object({
      phase: z.string(),
      mesos: z
        .object({ timestamp: z.number().optional(), state: z.string().optional() })
        .optional(),
      networks: z.array(z.object({ ips: z.array(z.string()) })).optional(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional(),
    })
    .optional(),
});
export type SeenTask = z.infer<typeof taskSchema>;

/** Told of every event of a Task, with the wall time in milliseconds at which it was received. */
export type TaskListener = (task: SeenTask, receivedAt: number) => void;

/** One watch of all Tasks over HTTPS, as a load balancer would hold it. */
export class TaskWatch {
  readonly #transport: HttpsTransport;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<TaskListener>();
  #failure: Error | undefined;

  constructor(transport: HttpsTransport) {
    this.#transport = transport;
    void this.#run();
  }

  onEvent(listener: TaskListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Throws if the watch has ended. */
  assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  close(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const request = {
      method: 'GET' as const,
      path: '/apis/mesocosm.dev/v1/tasks',
      query: { watch: 'true', allowWatchBookmarks: 'true' },
    };
    try {
      for await (const frame of this.#transport.watch(request, this.#stop.signal))
        this.#take(frame);
      this.#failure = new Error('the watch of the Tasks has ended');
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  #take(frame: unknown): void {
    const receivedAt = performance.timeOrigin + performance.now();
    const { type, object } = frameSchema.parse(frame);
    if (type === 'ERROR') throw new Error(`the watch was refused: ${JSON.stringify(object)}`);
    if (type === 'BOOKMARK') return;
    const task = taskSchema.parse(object);
    for (const listener of this.#listeners) listener(task, receivedAt);
  }
}

/** Running, with an address of every network in its stored status. */
export function isUp({ status }: SeenTask): boolean {
  const addressed = (status?.networks ?? []).filter(({ ips }) => ips.length > 0);
  return status?.phase === 'Running' && addressed.length === networks.length;
}

export function isReady({ status }: SeenTask): boolean {
  return status?.conditions?.some((is) => is.type === 'Ready' && is.status === 'True') === true;
}
