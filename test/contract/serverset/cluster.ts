import { Writable } from 'node:stream';
import { pino, type Logger } from 'pino';
import type { Client } from '../../../api/client/client.ts';
import { createClient } from '../../../api/client/resource-client.ts';
import { systemClock, type Clock } from '../../../api/machinery/clock.ts';
import { findCondition } from '../../../api/machinery/conditions.ts';
import { isApiError } from '../../../api/machinery/errors.ts';
import { systemRandom } from '../../../api/machinery/random.ts';
import { createApiServer } from '../../../api/server/server.ts';
import { MemoryStorage } from '../../../api/storage/memory.ts';
import { eventResource, leaseResource, namespaceResource } from '../../../api/v1/core.ts';
import { networkResource } from '../../../api/v1/network.ts';
import { resources } from '../../../api/v1/resources.ts';
import type { ServerSet, ServerSetSpec } from '../../../api/v1/serverset.ts';
import { serverSetResource } from '../../../api/v1/serverset.ts';
import type { Task, TaskPhase, TaskSpec, TaskStatus } from '../../../api/v1/task.ts';
import { taskResource } from '../../../api/v1/task.ts';
import { openServerSets, type ZooKeeperConfig } from '../../../controllers/cosmd/zookeeper.ts';
import type { BrakeLimits } from '../../../controllers/serverset/brake.ts';
import { serverSetIndexers, taskIndexers } from '../../../controllers/serverset/caches.ts';
import { createServerSetController } from '../../../controllers/serverset/controller.ts';
import { epochPathOf } from '../../../controllers/serverset/fence.ts';
import { EventRecorder } from '../../../controllers/runtime/event-recorder.ts';
import { Informer } from '../../../controllers/runtime/informer.ts';
import { runAll } from '../../../controllers/runtime/manager.ts';
import type { ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import { ensurePath } from '../../../proto/zookeeper/ensure-path.ts';
import { isZooKeeperError } from '../../../proto/zookeeper/errors.ts';
import { openZooKeeper, type ZooKeeperOptions } from '../../../proto/zookeeper/network-client.ts';
import {
  startZooKeeper,
  type RealZooKeeper,
  type ZooKeeperServerOptions,
} from '../../support/zookeeper.ts';
import { until } from '../zookeeper/event-log.ts';

const wallClock = systemClock();
const random = systemRandom();

export const clusterName = 'east';
export const epochPath = epochPathOf('/aurora', clusterName);
const namespace = 'prod';
const lease = { namespace: 'default', name: 'cosmd' };

/** A member as a reader sees it. */
export interface SeenMember {
  name: string;
  status: string;
  host: string;
  shard: number | undefined;
  task: string | undefined;
}

export interface Leader {
  readonly epoch: number;
  /** All lines that it logged. */
  readonly log: readonly string[];
  setFrameworkId(id: string): void;
  stop(): Promise<void>;
}

export interface LeaderOptions {
  connectString?: string;
  brake?: BrakeLimits;
  /** As in cosmd.yaml: who the leader is to ZooKeeper, and by what transport. */
  zookeeper?: Partial<ZooKeeperConfig>;
  /** How long after the others it leads, by its wall clock. */
  laterMs?: number;
}

/** A real ZooKeeper, the real API on the memory driver, and leaders that come and go. */
export class Cluster {
  readonly server: RealZooKeeper;
  readonly client: Client;
  /** A session that no leader shares: an operator's. */
  readonly operator: ZooKeeperClient;
  readonly #stops: (() => Promise<void>)[];
  #leaders: Leader[] = [];

  private constructor(
    server: RealZooKeeper,
    client: Client,
    operator: ZooKeeperClient,
    stops: (() => Promise<void>)[],
  ) {
    this.server = server;
    this.client = client;
    this.operator = operator;
    this.#stops = stops;
  }

  static async start(options: ZooKeeperServerOptions = {}): Promise<Cluster> {
    const server = await startZooKeeper({ tickTime: 250, ...options });
    const storage = new MemoryStorage({ clock: wallClock });
    const api = createApiServer({
      storage,
      resources,
      clock: wallClock,
      random,
      logger: pino({ level: 'silent' }),
      version: '0.0.0',
      authorization: 'AlwaysAllow',
      serverSetRoots: [{ prefix: '/aurora/<namespace>' }],
    });
    await api.start();
    const client = createClient(api.transport({ name: 'test', groups: ['system:masters'] }));
    for (const name of [namespace, 'other']) {
      await client
        .of(namespaceResource)
        .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    }
    await client.of(networkResource).create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Network',
      metadata: { name: 'dev-net' },
      spec: {},
    });
    const operator = connect(server.connectString);
    await operator.whenConnected();
    return new Cluster(server, client, operator, [
      () => operator.close(),
      () => api.stop(),
      () => storage.close(),
      () => server.stop(),
    ]);
  }

  async stop(): Promise<void> {
    for (const leader of this.#leaders) await leader.stop();
    for (const stop of this.#stops) await stop();
  }

  /** Takes the lease as a challenger would, and runs the loop under it until it is stopped. */
  async lead(options: LeaderOptions = {}): Promise<Leader> {
    const { client } = this;
    const { laterMs = 0 } = options;
    const clock: Clock = { ...wallClock, now: () => wallClock.now() + laterMs };
    const leases = client.of(leaseResource);
    if ((await leases.find(lease)) !== undefined) await leases.delete(lease);
    const { metadata } = await leases.create({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: lease,
    });
    const epoch = Number(metadata.resourceVersion);
    const fenced = client.fenced({ ...lease, epoch });
    const log: string[] = [];
    const logger = loggerInto(log);
    const zookeeper = openServerSets(
      {
        connect: options.connectString ?? this.server.connectString,
        sessionTimeoutSeconds: 3,
        acl: 'Open',
        ...options.zookeeper,
      },
      { clock, random, logger },
    );
    const from = { clock, random, logger };
    const tasks = new Informer({
      ...from,
      client: fenced.of(taskResource),
      indexers: taskIndexers,
    });
    const serverSets = new Informer({
      ...from,
      client: fenced.of(serverSetResource),
      indexers: serverSetIndexers,
    });
    const controller = createServerSetController({
      leadership: {
        epoch,
        client: fenced,
        // As of one that was frozen: it does not know better, the fences do.
        stillHolding: () => true,
        verify: async () => (await leases.find(lease))?.metadata.uid === metadata.uid,
      },
      zookeeper,
      caches: { tasks, serverSets },
      events: new EventRecorder({ ...from, client: fenced, component: 'serverset-controller' }),
      clusterName,
      epochPath,
      holder: `leader-${epoch}`,
      ...(options.brake === undefined ? {} : { brake: options.brake }),
      clock,
      logger,
    });
    const abort = new AbortController();
    const running = runAll([tasks, serverSets, controller], abort.signal, logger);
    let stopping: Promise<void> | undefined;
    const end = async (): Promise<void> => {
      abort.abort();
      await zookeeper.close();
      await running;
    };
    const leader: Leader = {
      epoch,
      log,
      setFrameworkId: (id) => controller.setFrameworkId(id),
      stop: () => (stopping ??= end()),
    };
    this.#leaders.push(leader);
    return leader;
  }

  get tasks(): ReturnType<typeof this.client.of<Task>> {
    return this.client.of(taskResource);
  }

  get serverSets(): ReturnType<typeof this.client.of<ServerSet>> {
    return this.client.of(serverSetResource);
  }

  async publish(
    name: string,
    spec: Partial<ServerSetSpec> = {},
    inNamespace = namespace,
  ): Promise<ServerSet> {
    return this.serverSets.create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'ServerSet',
      metadata: { name, namespace: inNamespace },
      spec: {
        zkPath: `/aurora/${inNamespace}/${name}`,
        selector: { matchLabels: { 'mesocosm.dev/job': name } },
        primaryPort: 'http',
        drainSeconds: 0.5,
        ...spec,
      },
    });
  }

  /** A task of Job `job` that runs and is ready. */
  async ready(job: string, instance: number, ip = `10.0.0.${instance + 1}`): Promise<Task> {
    const name = `${job}-${instance}-${random.uuid().slice(0, 8)}`;
    const task = await this.tasks.create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Task',
      metadata: { name, namespace, labels: { 'mesocosm.dev/job': job } },
      spec: specOf(job, instance),
    });
    return this.become(task, 'Running', ip);
  }

  /** Writes what Mesos said. Running with an address is ready. */
  async become(of: Task, phase: TaskPhase, ip?: string, ready = ip !== undefined): Promise<Task> {
    for (;;) {
      const task = await this.tasks.get(of.metadata);
      try {
        const status = statusOf(task, phase, ip, ready);
        return await this.tasks.updateStatus({ ...task, status });
      } catch (error) {
        // The loop has marked it meanwhile.
        if (!isApiError(error, 'Conflict')) throw error;
      }
    }
  }

  async stopTask(of: Task): Promise<void> {
    await this.tasks.patch(
      of.metadata,
      { spec: { stop: { reason: 'ScaleDown' } } },
      { type: 'merge' },
    );
  }

  /** All of `path` that begins with member_ and is ours, by name. */
  async members(path: string): Promise<SeenMember[]> {
    const seen = await Promise.all(
      (await this.children(path)).map(async (name) => ({
        name,
        text: await this.read(path, name),
      })),
    );
    return seen
      .filter(({ name, text }) => name.startsWith('member_') && text?.includes(clusterName))
      .map(({ name, text }) => seenMember(name, text ?? ''))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async children(path: string): Promise<string[]> {
    try {
      return (await this.operator.getChildren(path)).children.sort();
    } catch (error) {
      if (isZooKeeperError(error, 'NO_NODE')) return [];
      throw error;
    }
  }

  async read(path: string, name: string): Promise<string | undefined> {
    try {
      return (await this.operator.getData(`${path}/${name}`)).data.toString('utf8');
    } catch (error) {
      if (isZooKeeperError(error, 'NO_NODE')) return undefined;
      throw error;
    }
  }

  async foreign(path: string, name: string, body = '{"status":"ALIVE"}'): Promise<string> {
    await ensurePath(this.operator, path);
    return this.operator.create(`${path}/${name}`, Buffer.from(body), { sequential: true });
  }

  /** Waits until the members of `path` are ALIVE with exactly these hosts, in any order. */
  async shows(path: string, hosts: readonly string[], withinMs?: number): Promise<SeenMember[]> {
    let members: SeenMember[] = [];
    const wanted = [...hosts].sort().join(' ');
    await until(
      async () => {
        members = await this.members(path);
        const alive = members.filter(({ status }) => status === 'ALIVE');
        const found = alive.map(({ host }) => host).sort();
        return alive.length === members.length && found.join(' ') === wanted;
      },
      `${path} shows [${wanted}]`,
      withinMs,
    );
    return members;
  }

  /** Waits until a condition of a ServerSet has this status, and the reason if one is given. */
  async says(name: string, type: string, status: string, reason?: string): Promise<ServerSet> {
    let set: ServerSet | undefined;
    await until(
      async () => {
        set = await this.serverSets.find({ namespace, name });
        const condition = findCondition(set?.status?.conditions, type);
        return condition?.status === status && (reason ?? condition.reason) === condition.reason;
      },
      `ServerSet ${name} says ${type}=${status} ${reason ?? ''}`,
    );
    if (set === undefined) throw new Error(`there is no ServerSet ${name}`);
    return set;
  }

  async eventReasons(): Promise<string[]> {
    const { items } = await this.client.of(eventResource).list({ namespace });
    return items.map(({ reason }) => reason ?? '');
  }
}

export function finalizersOf(task: Task | undefined): string[] {
  return task?.metadata.finalizers ?? [];
}

export function connect(
  connectString: string,
  options: Partial<ZooKeeperOptions> = {},
): ZooKeeperClient {
  return openZooKeeper({
    connectString,
    // Who does not lead is to outlast a server, or a process, that stands still for a moment.
    sessionTimeoutMs: 20_000,
    clock: wallClock,
    random,
    ...options,
  });
}

function loggerInto(lines: string[]): Logger {
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      done();
    },
  });
  return pino({ level: 'trace' }, stream);
}

function specOf(job: string, instance: number): TaskSpec {
  return {
    job,
    instance,
    revision: `${job}-1`,
    restarts: 0,
    networks: [{ name: 'dev-net' }],
    containers: [
      {
        name: 'main',
        script: 'exec serve',
        resources: { requests: { cpu: '100m', memory: '64Mi' } },
        ports: [{ name: 'http', containerPort: 8080 }],
      },
    ],
  };
}

function statusOf(
  task: Task,
  phase: TaskPhase,
  ip: string | undefined,
  ready: boolean,
): TaskStatus {
  const now = new Date().toISOString();
  const network = {
    name: 'dev-net',
    cniName: 'dev-net',
    interface: 'eth0',
    verdict: 'Assigned' as const,
    lastTransitionTime: now,
  };
  const before = task.status?.networks ?? [];
  return {
    phase,
    mesos: { taskId: `${namespace}.${task.metadata.name}`, agentHostname: 'agent1.example' },
    networks: [{ ...network, ips: ip === undefined ? [] : [ip] }],
    ...(phase === 'Unreachable' ? { unreachableTime: now, lastKnown: { networks: before } } : {}),
    conditions: [
      {
        type: 'Ready',
        status: ready ? 'True' : 'False',
        reason: phase,
        message: '',
        lastTransitionTime: now,
      },
    ],
  };
}

function seenMember(name: string, text: string): SeenMember {
  const body: unknown = JSON.parse(text);
  const { serviceEndpoint, status, shard, metadata } = body as {
    serviceEndpoint: { host: string };
    status: string;
    shard?: number;
    metadata: Record<string, string>;
  };
  const task = metadata['mesocosm.dev/task'];
  return { name, status, host: serviceEndpoint.host, shard, task };
}
