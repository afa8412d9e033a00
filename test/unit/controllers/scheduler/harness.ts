import type { Client } from '../../../../api/client/client.ts';
import { createClient } from '../../../../api/client/resource-client.ts';
import type { ApiRequest, ApiResponse, Transport } from '../../../../api/client/transport.ts';
import type { Draft } from '../../../../api/machinery/metadata.ts';
import { seededRandom } from '../../../../api/machinery/random.ts';
import { addressClaimResource } from '../../../../api/v1/address-claim.ts';
import { agentResource } from '../../../../api/v1/agent.ts';
import { configMapResource } from '../../../../api/v1/config-map.ts';
import { frameworkResource, type Framework } from '../../../../api/v1/framework.ts';
import { jobResource } from '../../../../api/v1/job.ts';
import { networkResource } from '../../../../api/v1/network.ts';
import { secretResource } from '../../../../api/v1/secret.ts';
import { mesosFinalizer, taskResource, type Task, type TaskSpec } from '../../../../api/v1/task.ts';
import {
  claimTaskIndexers,
  createClaimController,
} from '../../../../controllers/network/claim-controller.ts';
import { ClaimView } from '../../../../controllers/network/claim-view.ts';
import { EventRecorder } from '../../../../controllers/runtime/event-recorder.ts';
import { Informer } from '../../../../controllers/runtime/informer.ts';
import { LeaderElection } from '../../../../controllers/runtime/leader-election.ts';
import { Manager } from '../../../../controllers/runtime/manager.ts';
import { networkNames } from '../../../../controllers/scheduler/network-names.ts';
import {
  createScheduler,
  type Scheduler,
  type SchedulerConfig,
} from '../../../../controllers/scheduler/scheduler.ts';
import type { MasterClient } from '../../../../proto/mesos/operator-client.ts';
import type { SchedulerTransport } from '../../../../proto/mesos/transport.ts';
import { FaultyTransport } from '../runtime/faulty-transport.ts';
import { silent, type TestApi } from '../runtime/api.ts';

export const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/** A process that stops between two instructions when it is killed: nothing leaves it, nothing reaches it. */
export class Process implements Transport {
  readonly api: FaultyTransport;
  /** Called before each write or call leaves and after its answer came: a place to die. */
  onAction: () => void = () => undefined;
  readonly #onDeath: (() => void)[] = [];
  #alive = true;

  constructor(inner: Transport) {
    this.api = new FaultyTransport(inner);
  }

  /** A method: what it says changes while somebody waits. */
  isAlive(): boolean {
    return this.#alive;
  }

  kill(): void {
    this.#alive = false;
    for (const die of this.#onDeath) die();
  }

  /** Does `work` for the process, unless it is dead then; it may die of it. */
  async #act<T>(work: () => Promise<T>): Promise<T> {
    if (this.isAlive()) this.onAction();
    if (!this.isAlive()) return never();
    const result = await work();
    if (this.isAlive()) this.onAction();
    return this.isAlive() ? result : never();
  }

  async request(request: ApiRequest, signal?: AbortSignal): Promise<ApiResponse> {
    if (request.method !== 'GET') return this.#act(() => this.api.request(request, signal));
    if (!this.isAlive()) return never();
    const answer = await this.api.request(request, signal);
    return this.isAlive() ? answer : never();
  }

  async *watch(request: ApiRequest, signal: AbortSignal): AsyncGenerator<unknown, void, undefined> {
    for await (const frame of this.api.watch(request, signal)) {
      if (!this.isAlive()) await never();
      yield frame;
    }
  }

  /** Mesos as this process reaches it; its death closes the stream, as the kernel would. */
  mesos(inner: SchedulerTransport): SchedulerTransport {
    return {
      subscribe: async (call, signal) => {
        if (!this.isAlive()) return never();
        const subscription = await inner.subscribe(call, signal);
        this.#onDeath.push(() => subscription.close());
        return {
          streamId: subscription.streamId,
          master: subscription.master,
          events: this.#events(subscription.events),
          call: (made) => this.#act(() => subscription.call(made)),
          close: () => subscription.close(),
        };
      },
    };
  }

  async *#events<T>(events: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const event of events) {
      if (!this.isAlive()) await never();
      yield event;
    }
    if (!this.isAlive()) await never();
  }
}

export interface RunningScheduler {
  process: Process;
  /** Present while it leads. */
  scheduler: Scheduler | undefined;
  stop(): Promise<void>;
}

export interface StartOptions {
  api: TestApi;
  mesos: SchedulerTransport;
  getAgents?: MasterClient['getAgents'];
  identity?: string;
  config?: Partial<SchedulerConfig>;
}

/** A scheduler as cosmd runs it: elected, with informers of its term. */
export function startScheduler(options: StartOptions): RunningScheduler {
  const { api, mesos, identity = 'first' } = options;
  const { clock } = api;
  const random = seededRandom(identity.length);
  const process = new Process(api.transport);
  const client = createClient(process);
  const abort = new AbortController();
  const election = new LeaderElection({
    client,
    namespace: 'mesocosm-system',
    name: 'leader',
    identity,
    clock,
    random,
    logger: silent,
  });
  const result: RunningScheduler = {
    process,
    scheduler: undefined,
    stop: async () => {
      abort.abort();
      await running;
    },
  };
  const manager = new Manager({
    election,
    logger: silent,
    build: (leadership) => {
      const common = { clock, random, logger: silent };
      const informers = {
        tasks: new Informer({
          client: leadership.client.of(taskResource),
          indexers: claimTaskIndexers,
          ...common,
        }),
        claims: new Informer({ client: leadership.client.of(addressClaimResource), ...common }),
        jobs: new Informer({ client: leadership.client.of(jobResource), ...common }),
        agents: new Informer({ client: leadership.client.of(agentResource), ...common }),
        networks: new Informer({ client: leadership.client.of(networkResource), ...common }),
        frameworks: new Informer({ client: leadership.client.of(frameworkResource), ...common }),
      };
      const contents = {
        secrets: new Informer({ client: leadership.client.of(secretResource), ...common }),
        configMaps: new Informer({ client: leadership.client.of(configMapResource), ...common }),
      };
      const events = new EventRecorder({
        client: leadership.client,
        component: 'scheduler',
        ...common,
      });
      const claims = new ClaimView();
      claims.follow(informers.claims);
      const claimLoop = createClaimController({
        client: leadership.client,
        informers,
        view: claims,
        cniNameOf: networkNames(informers),
        recorder: events,
        ...common,
      });
      const scheduler = createScheduler({
        leadership,
        claims,
        transport: process.mesos(mesos),
        master: { getAgents: options.getAgents ?? (() => Promise.resolve({})) },
        informers,
        contents,
        config: {
          clusterName: 'test',
          user: 'root',
          roles: ['mesocosm'],
          failoverTimeoutSeconds: 604_800,
          orphans: 'Keep',
          ...options.config,
        },
        events,
        ...common,
      });
      result.scheduler = scheduler;
      return [...Object.values(informers), ...Object.values(contents), claimLoop, scheduler];
    },
  });
  const running = manager.run(abort.signal);
  return result;
}

export function draftTask(name: string, spec: Partial<TaskSpec> = {}): Draft<Task> {
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: { name, namespace: 'prod', finalizers: [mesosFinalizer] },
    spec: {
      job: 'web',
      instance: 0,
      revision: 'web-1',
      restarts: 0,
      networks: [{ name: 'dev-net' }],
      containers: [
        {
          name: 'web',
          script: 'exec sleep 100000',
          resources: { requests: { cpu: '100m', memory: '32Mi' } },
        },
      ],
      ...spec,
    },
  };
}

export async function offerNetworks(client: Client, ...names: string[]): Promise<void> {
  for (const name of names) {
    const apiVersion = 'mesocosm.dev/v1' as const;
    await client
      .of(networkResource)
      .create({ apiVersion, kind: 'Network', metadata: { name }, spec: {} });
  }
}

export async function tasksOf(client: Client): Promise<Map<string, Task>> {
  const { items } = await client.of(taskResource).list({ namespace: 'prod' });
  return new Map(items.map((task) => [task.metadata.name, task]));
}

export async function frameworkOf(client: Client): Promise<Framework | undefined> {
  return client.of(frameworkResource).find({ name: 'test' });
}
