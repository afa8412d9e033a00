import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { removeMemoryRoot } from './agent/process/cgroup.ts';
import { childrenOf, descendantsOf, isAlive, signal } from './agent/process/proc.ts';
import { readRecord, recordedContainers, type ContainerRecord } from './agent/process/record.ts';
import { Child } from './child.ts';
import { createSampleNetworks, removeSampleNetworks, type SampleNetworks } from './cni/networks.ts';
import { readNetworkConfigs } from './cni/plugin.ts';
import { Processes } from '../local/processes.ts';
import { agentSpecs, type EmulatorConfig } from './config.ts';
import type { AgentRoleOptions, MasterRoleOptions } from './roles.ts';
import { agentInfoOf, type Emulator, type EmulatorDescription } from './emulator.ts';

/** Every master and every agent its own process; tasks are processes on CNI networks. */
export class ProcessEmulator implements Emulator {
  readonly #config: EmulatorConfig;
  readonly #entry: string;
  readonly #log: (message: string) => void;
  readonly #workDir: string;
  #masters: Child[] = [];
  #agents: Child[] = [];
  #networks: SampleNetworks | undefined;
  readonly #paused = new Set<number>();
  /** So that somebody can end them when we were killed and one of them is stopped. */
  readonly #processes: Processes;

  /** `entry` is the program that is run for each role. */
  constructor(config: EmulatorConfig, entry: string, log: (message: string) => void) {
    this.#config = config;
    this.#entry = entry;
    this.#log = log;
    this.#workDir = resolve(config.workDir);
    this.#processes = new Processes(this.#workDir);
  }

  async start(): Promise<void> {
    this.#networks = await this.#prepareNetworks();
    const { masters, port, host } = this.#config;
    this.#masters = Array.from({ length: masters }, (_, index) =>
      this.#masterChild(index, port === 0 ? 0 : port + index),
    );
    for (const master of this.#masters) await master.start();
    const addresses = this.#masters.map((master) => `${host}:${master.port}`);
    this.#agents = agentSpecs(this.#config).map((spec, index) => {
      const role: Omit<AgentRoleOptions, 'port'> = {
        info: agentInfoOf(spec),
        ip: this.#networks?.hostAddress ?? '127.0.0.1',
        masters: addresses,
        workDir: join(this.#workDir, `agent${index}`),
        runtimeDir: join(this.#workDir, `agent${index}`, 'run'),
        cni: {
          configDir: this.#networks?.configDir ?? '',
          pluginPath: [
            ...(this.#networks?.pluginDir === undefined ? [] : [this.#networks.pluginDir]),
            ...this.#config.cniPluginPath,
          ],
        },
        cgroupRoot: this.#cgroupRoot,
        timings: this.#config.timings,
      };
      return new Child({
        name: `agent ${index}`,
        entry: this.#entry,
        port: 0,
        arguments: (own) => ['agent', JSON.stringify({ ...role, port: own })],
        started: this.#record,
        log: this.#log,
      });
    });
    await Promise.all(this.#agents.map((agent) => agent.start()));
  }

  describe(): EmulatorDescription {
    const { host, zk } = this.#config;
    const ip = this.#networks?.hostAddress ?? '127.0.0.1';
    const specs = agentSpecs(this.#config);
    const masters = this.#masters.map(({ port, pid, running }) => ({
      address: `${host}:${port}`,
      pid,
      running,
    }));
    return {
      mode: 'process',
      master: zk ?? masters[0]?.address ?? '',
      masters,
      agents: this.#agents.map(({ port, pid, running }, index) => ({
        hostname: specs[index]?.hostname ?? '',
        address: `${ip}:${port}`,
        pid,
        running,
        partitioned: running && this.#paused.has(index),
        attributes: specs[index]?.attributes ?? {},
      })),
      networks: this.#networks?.names ?? [],
    };
  }

  killMaster(index: number): Promise<void> {
    return this.#master(index).kill('SIGKILL');
  }

  startMaster(index: number): Promise<void> {
    return this.#master(index).start();
  }

  killAgent(index: number): Promise<void> {
    this.#paused.delete(index);
    return this.#agent(index).kill('SIGKILL');
  }

  startAgent(index: number): Promise<void> {
    return this.#agent(index).start();
  }

  unregisterAgent(index: number): Promise<void> {
    return this.#agent(index).ask('unregister');
  }

  pauseAgent(index: number): Promise<void> {
    this.#paused.add(index);
    return this.#agent(index).kill('SIGSTOP');
  }

  resumeAgent(index: number): Promise<void> {
    this.#paused.delete(index);
    return this.#agent(index).kill('SIGCONT');
  }

  killTask(taskId: string): Promise<boolean> {
    const outer = this.#containerOf(taskId)?.process;
    const executor = outer === undefined ? undefined : childrenOf(outer.pid)[0];
    if (executor === undefined) return Promise.resolve(false);
    for (const pid of descendantsOf(executor)) signal(pid, 'SIGKILL');
    return Promise.resolve(true);
  }

  crashExecutor(taskId: string): Promise<boolean> {
    const task = this.#containerOf(taskId);
    const outer = task?.parent === undefined ? task : this.#containerById(task.parent);
    if (outer?.process === undefined) return Promise.resolve(false);
    signal(outer.process.pid, 'SIGKILL');
    return Promise.resolve(true);
  }

  async stop(): Promise<void> {
    for (const agent of this.#agents) agent.kill('SIGCONT').catch(() => undefined);
    await Promise.all(this.#agents.map((agent) => this.#endAgent(agent)));
    await Promise.all(this.#masters.map((master) => master.kill('SIGTERM')));
    removeMemoryRoot(this.#cgroupRoot);
    if (this.#config.cniConfigDir === undefined) {
      await removeSampleNetworks(this.#networkDir());
    }
  }

  /** An agent that is down may have left tasks: it is started once more to end them. */
  async #endAgent(agent: Child): Promise<void> {
    if (!agent.running) await agent.start();
    await agent.kill('SIGTERM');
  }

  async #prepareNetworks(): Promise<SampleNetworks> {
    const { cniConfigDir, agentAddress, networkPrefix, networkBase } = this.#config;
    if (cniConfigDir === undefined) {
      return createSampleNetworks({
        prefix: networkPrefix,
        base: networkBase,
        directory: this.#networkDir(),
      });
    }
    return {
      configDir: resolve(cniConfigDir),
      hostAddress: agentAddress ?? '127.0.0.1',
      names: [...readNetworkConfigs(cniConfigDir).keys()],
    };
  }

  get #cgroupRoot(): string {
    return `${this.#config.networkPrefix}-emulator`;
  }

  #networkDir(): string {
    return join(this.#workDir, 'cni');
  }

  #masterChild(index: number, port: number): Child {
    const { host, zk, timings } = this.#config;
    const role: Omit<MasterRoleOptions, 'port'> = {
      host,
      registry: join(this.#workDir, 'registry.jsonl'),
      timings,
      ...(zk === undefined ? {} : { zk }),
    };
    return new Child({
      name: `master ${index}`,
      entry: this.#entry,
      port,
      arguments: (own) => ['master', JSON.stringify({ ...role, port: own })],
      started: this.#record,
      log: this.#log,
    });
  }

  readonly #record = (name: string, pid: number): void => {
    this.#processes.record(name, pid);
  };

  #master(index: number): Child {
    const master = this.#masters[index];
    if (master === undefined) throw new RangeError(`there is no master ${index}`);
    return master;
  }

  #agent(index: number): Child {
    const agent = this.#agents[index];
    if (agent === undefined) throw new RangeError(`there is no agent ${index}`);
    return agent;
  }

  #containerOf(taskId: string): ContainerRecord | undefined {
    return this.#records().find(
      (record) =>
        record.taskId === taskId && record.process !== undefined && isAlive(record.process),
    );
  }

  #containerById(id: string): ContainerRecord | undefined {
    return this.#records().find((record) => record.id === id);
  }

  #records(): ContainerRecord[] {
    const directories = existsSync(this.#workDir) ? readdirSync(this.#workDir) : [];
    return directories.flatMap((name) => {
      const workDir = join(this.#workDir, name);
      const paths = { workDir, runtimeDir: join(workDir, 'run') };
      return recordedContainers(paths).flatMap((id) => readRecord(paths, id) ?? []);
    });
  }
}
