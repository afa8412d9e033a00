import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NetworkInfo } from '../../../../proto/mesos/generated/messages.ts';
import type { CniOptions } from '../../cni/plugin.ts';
import type {
  ContainerEntry,
  EnterRequest,
  NestedEvents,
  NestedProcess,
} from '../nested/process.ts';
import type {
  ContainerEvents,
  ContainerSpec,
  ContainerUsage,
  LaunchFailure,
  Probe,
  ProbeResult,
  Runtime,
  StartedContainer,
} from '../runtime.ts';
import {
  createMemoryGroup,
  memoryExceeded,
  memoryLimitsAvailable,
  setMemoryLimit,
} from './cgroup.ts';
import { dismantle } from './cleanup.ts';
import { argumentsOf, fetchUris, taskEnvironment } from './command.ts';
import { enterContainer } from './enter.ts';
import { executorScript } from './executor.ts';
import { describeError, joinNetworks } from './networks.ts';
import { containerDir, createSandbox, type AgentPaths } from './paths.ts';
import { writeSecretFiles } from './secret-files.ts';
import { childrenOf, descendantsOf, isAlive, signal, startTimeOf, usageOf } from './proc.ts';
import { probeContainer } from './probe.ts';
import {
  readRecord,
  readStatus,
  recordedContainers,
  statusFile,
  writeRecord,
  type ContainerRecord,
} from './record.ts';

export interface ProcessRuntimeOptions {
  paths: AgentPaths;
  cni: CniOptions;
  /** The agent's advertised address and port. */
  ip: string;
  port: number;
  agentId: () => string;
  /** Parent of the memory cgroups, below the controller's root. */
  cgroupRoot: string;
  log: (message: string) => void;
}

interface ProcessContainer {
  readonly spec: ContainerSpec;
  readonly events: ContainerEvents;
  record: ContainerRecord;
  networks: readonly NetworkInfo[];
  /** Settles when the launch is over, whichever way. */
  launching: Promise<void>;
  /** The command's end, or the executor's, has been told. */
  told: boolean;
  destroyed: boolean;
}

/** How often a container of a former life is looked at: it is no child of this process. */
const pollInterval = 100;
/** How often it is looked whether an executor has got into its namespaces. */
const startInterval = 5;
/** How often the kernel is asked whether it killed something for memory. */
const memoryInterval = 500;

/** Containers as real processes in real namespaces, on networks made by real CNI plugins. */
export class ProcessRuntime implements Runtime, ContainerEntry {
  readonly #options: ProcessRuntimeOptions;
  readonly #containers = new Map<string, ProcessContainer>();
  readonly #memory: NodeJS.Timeout;
  readonly #limits = memoryLimitsAvailable();

  constructor(options: ProcessRuntimeOptions) {
    this.#options = options;
    this.#memory = setInterval(() => {
      for (const container of this.#containers.values()) this.#checkMemory(container);
    }, memoryInterval);
    this.#memory.unref();
  }

  launch(spec: ContainerSpec, events: ContainerEvents): void {
    const id = spec.id.value;
    mkdirSync(containerDir(this.#options.paths, id), { recursive: true });
    const container: ProcessContainer = {
      spec,
      events,
      record: {
        id,
        ...(spec.id.parent === undefined ? {} : { parent: spec.id.parent.value }),
        ...(spec.taskId === undefined ? {} : { taskId: spec.taskId }),
        sandbox: createSandbox(this.#options.paths, this.#options.agentId(), spec),
        attachments: [],
      },
      networks: [],
      launching: Promise.resolve(),
      told: false,
      destroyed: false,
    };
    this.#containers.set(id, container);
    container.launching = this.#launch(container).then(
      (failure) => {
        if (failure === undefined || container.destroyed) return;
        container.told = true;
        events.failed(failure);
      },
      (error: unknown) => {
        this.#options.log(`container ${id}: ${String(error)}`);
        container.told = true;
        events.failed({ kind: 'launch', message: describeError(error) });
      },
    );
  }

  recover(spec: ContainerSpec, started: StartedContainer, events: ContainerEvents): void {
    const id = spec.id.value;
    const record = readRecord(this.#options.paths, id);
    const container: ProcessContainer = {
      spec,
      events,
      record: record ?? { id, sandbox: '', attachments: [] },
      networks: started.networks,
      launching: Promise.resolve(),
      told: false,
      destroyed: false,
    };
    this.#containers.set(id, container);
    setImmediate(() => {
      if (record?.process !== undefined && isAlive(record.process)) {
        this.#poll(container);
        return;
      }
      // A default executor waits for the agent with the news; a command executor does not.
      const waits = spec.id.parent !== undefined || spec.waitsForAgent === true;
      const status = waits ? readStatus(this.#options.paths, id) : undefined;
      if (status === undefined) this.#terminated(container, constants.signals.SIGKILL);
      else this.#exited(container, status);
    });
  }

  kill(id: string, name: 'SIGTERM' | 'SIGKILL'): void {
    const executor = this.#executorPid(id);
    if (executor === undefined) return;
    for (const pid of descendantsOf(executor)) signal(pid, name);
  }

  usage(id: string): ContainerUsage | undefined {
    const alive = [...this.#containers.values()].flatMap(({ spec, record: { process: outer } }) => {
      const within = spec.id.value === id || spec.id.parent?.value === id;
      return within && outer !== undefined && isAlive(outer) ? [outer.pid] : [];
    });
    return alive.length === 0 ? undefined : usageOf(alive);
  }

  resize(id: string, memory: number): void {
    const path = this.#containers.get(id)?.record.cgroup;
    if (path !== undefined) setMemoryLimit(path, memory);
  }

  destroy(id: string, done: () => void): void {
    const container = this.#containers.get(id);
    if (container !== undefined) container.destroyed = true;
    const work = async (): Promise<void> => {
      await container?.launching;
      const record = container?.record ?? readRecord(this.#options.paths, id);
      if (record !== undefined) {
        await dismantle(this.#options.paths, this.#options.cni, record, this.#options.log);
      }
      this.#containers.delete(id);
    };
    work().then(done, (error: unknown) => {
      this.#options.log(`container ${id}: ${String(error)}`);
      done();
    });
  }

  probe(id: string, probe: Probe, done: (result: ProbeResult) => void): void {
    const container = this.#containers.get(id);
    const executor = this.#executorPid(id);
    if (container === undefined || executor === undefined) {
      done({ type: 'failed' });
      return;
    }
    const target = {
      pid: executor,
      sandbox: container.record.sandbox,
      environment: this.#probeEnvironment(container),
    };
    probeContainer(target, probe).then(done, (error: unknown) => {
      this.#options.log(`container ${id}: probe: ${String(error)}`);
      done({ type: 'failed' });
    });
  }

  async enter(
    id: string,
    request: EnterRequest,
    events: NestedEvents,
  ): Promise<NestedProcess | undefined> {
    const container = this.#containers.get(id);
    await container?.launching;
    const outer = container?.record.process;
    let pid = this.#executorPid(id);
    // It has just been started, and is still making its namespaces.
    while (pid === undefined && outer !== undefined && isAlive(outer)) {
      await delay(startInterval);
      pid = this.#executorPid(id);
    }
    if (container === undefined || pid === undefined) return undefined;
    const parent = this.#containers.get(container.spec.id.parent?.value ?? '');
    const { sandbox, cgroup = parent?.record.cgroup } = container.record;
    const environment = this.#environment(container);
    return enterContainer({ pid, sandbox, environment, cgroup }, request, events);
  }

  /** Removes what former lives left and nobody took up again. */
  async cleanLeftovers(): Promise<void> {
    const { paths, cni, log } = this.#options;
    for (const id of recordedContainers(paths)) {
      if (this.#containers.has(id)) continue;
      const record = readRecord(paths, id) ?? { id, sandbox: '', attachments: [] };
      log(`container ${id}: left over, removing it`);
      await dismantle(paths, cni, record, log);
    }
  }

  stop(): void {
    clearInterval(this.#memory);
  }

  async #launch(container: ProcessContainer): Promise<LaunchFailure | undefined> {
    const { spec } = container;
    const failure = await this.#joinNetworks(container);
    if (failure !== undefined) return failure;
    if (spec.command !== undefined && !(await fetchUris(spec.command, container.record.sandbox))) {
      return {
        kind: 'launch',
        message: `Failed to fetch all URIs for container '${spec.id.value}': exited with status 1`,
      };
    }
    if (container.destroyed) return undefined;
    const pid = this.#spawn(container);
    container.events.started({ networks: container.networks, pid });
    return undefined;
  }

  async #joinNetworks(container: ProcessContainer): Promise<LaunchFailure | undefined> {
    const { spec } = container;
    const parent = this.#containers.get(spec.id.parent?.value ?? '');
    const joined = await joinNetworks({
      ...this.#options,
      spec,
      sandbox: container.record.sandbox,
      inherited: parent?.networks,
      remember: (made) => {
        this.#remember(container, made);
      },
    });
    if ('kind' in joined) return joined;
    container.networks = joined.networks;
    return undefined;
  }

  #spawn(container: ProcessContainer): number {
    const { spec, record } = container;
    const { paths, cgroupRoot } = this.#options;
    const id = spec.id.value;
    const parent = this.#containers.get(spec.id.parent?.value ?? '')?.record;
    const namespace = record.namespace ?? parent?.namespace;
    const cgroup =
      this.#limits && spec.memory !== undefined
        ? createMemoryGroup(cgroupRoot, id, spec.memory)
        : parent?.cgroup;
    const command = spec.command === undefined ? undefined : argumentsOf(spec.command);
    const hosts = namespace === undefined ? '' : this.#writeHosts(container);
    const argv = [
      ...(namespace === undefined ? [] : ['nsenter', `--net=${namespace}`, '--']),
      ...['unshare', '--pid', '--fork', '--kill-child', '--mount', '--uts'],
      ...['--propagation', 'slave', '--mount-proc', 'perl', '-e', executorScript, '--'],
      ...[statusFile(paths, id), hosts, namespace === undefined ? '' : id],
      writeSecretFiles(containerDir(paths, id), record.sandbox, spec.container?.volumes ?? []),
      ...(command === undefined ? [] : [command.program, ...command.argv]),
    ];
    const join = 'test -z "$1" || echo $$ >"$1/cgroup.procs" || exit 126; shift; exec "$@"';
    const stdout = openSync(`${record.sandbox}/stdout`, 'a');
    const stderr = openSync(`${record.sandbox}/stderr`, 'a');
    const child = spawn('/bin/sh', ['-c', join, 'sh', cgroup ?? '', ...argv], {
      cwd: record.sandbox,
      env: this.#environment(container),
      stdio: ['ignore', stdout, stderr, 'pipe'],
      detached: true,
    });
    closeSync(stdout);
    closeSync(stderr);
    const { pid } = child;
    if (pid === undefined) throw new Error('the executor could not be started');
    this.#remember(container, {
      process: { pid, startTime: startTimeOf(pid) ?? '' },
      ...(this.#limits && spec.memory !== undefined && cgroup !== undefined ? { cgroup } : {}),
    });
    child.stdio[3]?.on('data', (data: Buffer) => {
      this.#exited(container, Number(data.toString()));
    });
    child.once('exit', (code, name) => {
      const status = readStatus(paths, id);
      if (status !== undefined) this.#exited(container, status);
      else this.#terminated(container, name === null ? (code ?? 0) << 8 : constants.signals[name]);
    });
    return pid;
  }

  #writeHosts(container: ProcessContainer): string {
    const path = join(containerDir(this.#options.paths, container.spec.id.value), 'hosts');
    const first = container.networks[0]?.ip_addresses?.[0]?.ip_address;
    const name = container.spec.id.value;
    const own = first === undefined ? '' : `${first} ${name}\n`;
    writeFileSync(path, `127.0.0.1 localhost\n${own}`);
    return path;
  }

  #environment({ spec, record }: ProcessContainer): Record<string, string> {
    const { agentId, ip, port } = this.#options;
    return taskEnvironment(spec, {
      agentId: agentId(),
      endpoint: `${ip}:${port}`,
      sandbox: record.sandbox,
    });
  }

  /** The agent runs a check inside a nested container, as its task; a command executor runs it as itself. */
  #probeEnvironment(container: ProcessContainer): Record<string, string> {
    if (container.spec.id.parent !== undefined) return this.#environment(container);
    return this.#environment({ ...container, spec: { ...container.spec, command: {} } });
  }

  #remember(container: ProcessContainer, more: Partial<ContainerRecord>): void {
    container.record = { ...container.record, ...more };
    writeRecord(this.#options.paths, container.record);
  }

  #executorPid(id: string): number | undefined {
    const outer = this.#containers.get(id)?.record.process;
    if (outer === undefined || !isAlive(outer)) return undefined;
    return childrenOf(outer.pid)[0];
  }

  #poll(container: ProcessContainer): void {
    const timer = setInterval(() => {
      const { process: outer, id } = container.record;
      const status = readStatus(this.#options.paths, id);
      if (status !== undefined) this.#exited(container, status);
      else if (outer === undefined || !isAlive(outer)) {
        this.#terminated(container, constants.signals.SIGKILL);
      }
      if (container.told || container.destroyed) clearInterval(timer);
    }, pollInterval);
  }

  #checkMemory(container: ProcessContainer): void {
    const { cgroup } = container.record;
    if (cgroup === undefined || container.told || container.destroyed) return;
    const limit = memoryExceeded(cgroup);
    if (limit !== undefined)
      this.#tell(container, () => {
        container.events.terminated(constants.signals.SIGKILL, limit);
      });
  }

  #exited(container: ProcessContainer, status: number): void {
    this.#checkMemory(container);
    this.#tell(container, () => {
      container.events.exited(status);
    });
  }

  #terminated(container: ProcessContainer, status: number): void {
    this.#checkMemory(container);
    this.#tell(container, () => {
      container.events.terminated(status);
    });
  }

  #tell(container: ProcessContainer, event: () => void): void {
    if (container.told || container.destroyed) return;
    container.told = true;
    event();
  }
}
