import { isApiError } from '../../api/machinery/errors.ts';
import { seededRandom } from '../../api/machinery/random.ts';
import { jobResource } from '../../api/v1/job.ts';
import { taskResource } from '../../api/v1/task.ts';
import type { Action, UserKind } from './actions.ts';
import { draftOf, type Wish } from './jobs.ts';
import { namespace } from './user.ts';
import { isMemberPath, memberFacts, prefixes, taskFacts } from './views.ts';
import type { World } from './world.ts';

const jobNames = ['web', 'api', 'cron', 'db'] as const;
export const foreignBody = JSON.stringify({
  serviceEndpoint: { host: '192.0.2.1', port: 1 },
  additionalEndpoints: {},
  status: 'ALIVE',
});

/** What people want, and the requests by which they ask for it. */
export class People {
  readonly #world: World;
  readonly #wishes = new Map<string, Wish>();
  /** Nodes of others that have been put among our members. */
  readonly foreign = new Set<string>();
  /** By what they are about: the next one waits for the one before. */
  readonly #requests = new Map<string, Promise<void>>();

  constructor(world: World) {
    this.#world = world;
  }

  wishes(): readonly Wish[] {
    return [...this.#wishes.values()];
  }

  /** Rejects if a request was refused that should not have been. */
  async done(): Promise<void> {
    await Promise.all(this.#requests.values());
  }

  act(kind: UserKind, action: Action): void {
    const wish = this.#pick(action);
    switch (kind) {
      case 'create job':
        this.#create(action);
        return;
      case 'scale job':
        if (wish !== undefined) this.#change(wish, { replicas: action.count % 5 });
        return;
      case 'change template':
        if (wish !== undefined) this.#change(wish, { version: wish.version + 1 });
        return;
      case 'change serverSet':
        if (wish !== undefined) this.#change(wish, { path: [undefined, 0, 1][action.count % 3] });
        return;
      case 'delete job':
        if (wish !== undefined) this.#delete(wish);
        return;
      case 'delete task':
        this.#deleteTask(action);
        return;
      case 'edit member':
        this.#editMember(action);
        return;
      case 'write foreign node':
        this.#writeForeign(action);
        return;
    }
  }

  #pick({ pick }: Action): Wish | undefined {
    const wishes = this.wishes();
    return wishes[pick % wishes.length];
  }

  #create({ pick, count }: Action): void {
    const name = jobNames.find((each) => !this.#wishes.has(each));
    if (name === undefined) return;
    const random = seededRandom(pick * 7 + count);
    const upTo = (most: number): number => Math.floor(random.next() * most);
    const wish: Wish = {
      name,
      replicas: 1 + upTo(4),
      version: 1,
      networks: upTo(3),
      group: random.next() < 0.25,
      path: random.next() < 0.75 ? 0 : undefined,
      drainSeconds: upTo(3) * 2,
      maxUnavailable: 1 + upTo(2),
      minReadySeconds: upTo(2) * 3,
      replaceAfterSeconds: 5 + upTo(20),
      readinessProbe: random.next() < 0.4,
    };
    this.#wishes.set(name, wish);
    this.#request(name, () => this.#world.user.of(jobResource).create(draftOf(wish)));
  }

  #change(wish: Wish, change: Partial<Wish>): void {
    const next = { ...wish, ...change };
    this.#wishes.set(wish.name, next);
    this.#request(wish.name, () => this.#put(next));
  }

  /** Puts what is wished for in place of what is stored, as a pipeline does. */
  async #put(wish: Wish): Promise<void> {
    const jobs = this.#world.user.of(jobResource);
    for (;;) {
      const stored = await jobs.find({ namespace, name: wish.name });
      if (stored === undefined || stored.metadata.deletionTimestamp !== undefined) return;
      const wanted = this.#wishes.get(wish.name);
      if (wanted === undefined) return;
      try {
        await jobs.update({ ...stored, spec: draftOf(wanted).spec });
        return;
      } catch (error) {
        if (!isApiError(error, 'Conflict')) throw error;
      }
    }
  }

  #delete({ name }: Wish): void {
    this.#wishes.delete(name);
    this.#request(name, () => this.#world.user.of(jobResource).delete({ namespace, name }));
  }

  #deleteTask({ pick }: Action): void {
    const tasks = [...this.#world.store.list(prefixes.tasks)].map(([, object]) =>
      taskFacts(object),
    );
    const task = tasks[pick % tasks.length];
    if (task === undefined) return;
    const { name } = task.metadata;
    this.#request(name, () => this.#world.user.of(taskResource).delete({ namespace, name }));
  }

  /** Somebody writes into a member of ours, or takes it away. */
  #editMember({ pick, count }: Action): void {
    const { tree } = this.#world.ensemble;
    const ours = [...tree.paths()].filter(
      (path) => isMemberPath(path) && memberFacts(tree.get(path)!.data) !== undefined,
    );
    const path = ours[pick % ours.length];
    if (path === undefined) return;
    const data = Buffer.from('edited by hand');
    this.#world.ensemble.commit(
      [count % 2 === 0 ? { type: 'delete', path } : { type: 'setData', path, data }],
      0n,
    );
  }

  #writeForeign({ pick, count }: Action): void {
    const { tree } = this.#world.ensemble;
    const paths = [...tree.paths()].filter((path) => /^\/mesocosm\/prod\/[^/]+$/.test(path));
    const parent = paths[pick % paths.length];
    if (parent === undefined) return;
    const name = ['member_', 'singleton_candidate_', 'vector_'][count % 3] ?? 'member_';
    const { results } = this.#world.ensemble.commit(
      [
        {
          type: 'create',
          path: `${parent}/${name}`,
          data: Buffer.from(foreignBody),
          sequential: true,
        },
      ],
      0n,
    );
    const [result] = results;
    if (result?.type === 'create') this.foreign.add(result.path);
  }

  /** A name that is still being given up is asked for again. */
  #request(about: string, work: () => Promise<unknown>): void {
    const before = this.#requests.get(about) ?? Promise.resolve();
    this.#requests.set(
      about,
      before.then(() => this.#persistently(work)),
    );
  }

  async #persistently(work: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if (isApiError(error, 'NotFound')) return;
        if (!isApiError(error, 'AlreadyExists', 'Conflict')) throw error;
        await new Promise<void>((resolve) => this.#world.clock.after(1_000, resolve));
      }
    }
  }
}
