import { controllerReference } from '../../../../api/machinery/metadata.ts';
import type { Job } from '../../../../api/v1/job.ts';
import { phaseOf, taskResource, type Task } from '../../../../api/v1/task.ts';
import { eventResource } from '../../../../api/v1/core.ts';
import type { SchedulerConfig } from '../../../../controllers/scheduler/scheduler.ts';
import { startApi, until, type TestApi } from '../runtime/api.ts';
import { draftTask, offerNetworks, startScheduler, type RunningScheduler } from './harness.ts';
import { offerOf, runningOf, ScriptedMesos, uuid } from './scripted-mesos.ts';

/** A scheduler that leads and is subscribed to a scripted master, with dev-net on offer. */
export class Scene {
  readonly api: TestApi;
  readonly mesos: ScriptedMesos;
  running: RunningScheduler;
  readonly #config: Partial<SchedulerConfig>;
  readonly #started: RunningScheduler[] = [];

  private constructor(api: TestApi, config: Partial<SchedulerConfig>) {
    this.api = api;
    this.mesos = new ScriptedMesos();
    this.#config = config;
    this.running = this.startAnother('first');
  }

  static async start(config: Partial<SchedulerConfig> = {}): Promise<Scene> {
    const api = await startApi();
    await offerNetworks(api.client, 'dev-net');
    const scene = new Scene(api, config);
    await scene.subscribed();
    return scene;
  }

  /** Another process; it leads once the Lease of the one before has lapsed. */
  startAnother(identity: string): RunningScheduler {
    const { api, mesos } = this;
    this.running = startScheduler({ api, mesos, identity, config: this.#config });
    this.#started.push(this.running);
    return this.running;
  }

  subscribed(): Promise<void> {
    return until(this.api.clock, () => this.running.scheduler?.ready().ok === true);
  }

  async stop(): Promise<void> {
    for (const started of this.#started) if (started.process.isAlive()) await started.stop();
    await this.api.stop();
  }

  task(name: string): Promise<Task> {
    return this.api.client.of(taskResource).get({ namespace: 'prod', name });
  }

  async phase(name: string): Promise<string> {
    return phaseOf(await this.task(name));
  }

  create(name: string, spec: Partial<Task['spec']> = {}): Promise<Task> {
    return this.api.client.of(taskResource).create(draftTask(name, spec));
  }

  /** As create, for a Job that controls it. */
  createFor(job: Job, name: string, spec: Partial<Task['spec']> = {}): Promise<Task> {
    const draft = draftTask(name, spec);
    const metadata = { ...draft.metadata, ownerReferences: [controllerReference(job)] };
    return this.api.client.of(taskResource).create({ ...draft, metadata });
  }

  async reaches(name: string, phase: string): Promise<void> {
    await until(this.api.clock, async () => (await this.phase(name)) === phase);
  }

  /** Creates a Task and has it launched on agent S0. */
  async launch(name: string, spec: Partial<Task['spec']> = {}): Promise<void> {
    await this.create(name, spec);
    const before = this.mesos.launched.length;
    this.mesos.offer(offerOf(`O-${name}`));
    await until(this.api.clock, () => this.mesos.launched.length > before);
  }

  /** As launch, until it runs. */
  async run(name: string, spec: Partial<Task['spec']> = {}): Promise<void> {
    await this.launch(name, spec);
    this.mesos.update(runningOf(name, { uuid: uuid(`${name}-runs`) }));
    await this.reaches(name, 'Running');
  }

  /** Changes a Task as users and other loops do: again if it was overtaken. */
  async change(name: string, change: (task: Task) => Task): Promise<void> {
    await this.api.client.of(taskResource).update(change(await this.task(name)));
  }

  stopTask(name: string): Promise<void> {
    return this.change(name, (task) => ({
      ...task,
      spec: { ...task.spec, stop: { reason: 'ScaleDown' } },
    }));
  }

  async setFinalizers(name: string, finalizers: string[]): Promise<void> {
    await this.change(name, (task) => ({ ...task, metadata: { ...task.metadata, finalizers } }));
  }

  /** Writes of this process about a Task. */
  writes(name: string): number {
    return this.running.process.api.writes.filter(({ path }) => path.includes(`/tasks/${name}`))
      .length;
  }

  async events(reason: string): Promise<string[]> {
    const { items } = await this.api.client.of(eventResource).list();
    return items.filter((event) => event.reason === reason).map(({ message = '' }) => message);
  }
}
