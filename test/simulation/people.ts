import { isApiError } from '../../api/machinery/errors.ts';
import { seededRandom } from '../../api/machinery/random.ts';
import { addressClaimResource } from '../../api/v1/address-claim.ts';
import { jobResource } from '../../api/v1/job.ts';
import { networkResource, type Network } from '../../api/v1/network.ts';
import { taskResource } from '../../api/v1/task.ts';
import type { Action, UserKind } from './actions.ts';
import { batchDraftOf, batchWish, type BatchWish } from './batch-jobs.ts';
import { draftOf, isUnheard, mostReplicas, type Wish } from './jobs.ts';
import { attachmentChoices, attachments, offeredNetworks } from './networks.ts';
import { namespace } from './user.ts';
import { isMemberPath, memberFacts, prefixes } from './views.ts';
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
  readonly #batches: BatchWish[] = [];
  /** Nodes of others that have been put among our members. */
  readonly foreign = new Set<string>();
  /** How often they have changed a member of ours. */
  edits = 0;
  /** By what they are about: the next one waits for the one before. */
  readonly #requests = new Map<string, Promise<void>>();

  constructor(world: World) {
    this.#world = world;
  }

  wishes(): readonly Wish[] {
    return [...this.#wishes.values()];
  }

  batches(): readonly BatchWish[] {
    return this.#batches;
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
      case 'create batch job':
        this.#createBatch(action);
        return;
      case 'scale job':
        if (wish !== undefined) {
          this.#change(wish, { replicas: action.count % (1 + mostReplicas(wish)) });
        }
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
        this.edits += 1;
        this.#editMember(action);
        return;
      case 'write foreign node':
        this.#writeForeign(action);
        return;
      case 'change networks of job':
        if (wish !== undefined) this.#rejoin(wish, action);
        return;
      case 'change network':
      case 'delete network':
        this.#disturbNetwork(kind, action);
        return;
      case 'delete claim':
        this.#deleteClaim(action);
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
    const replicas = 1 + upTo(3);
    const networks = attachments(upTo(attachmentChoices), upTo(100));
    const wish: Wish = {
      name,
      replicas,
      version: 1,
      networks,
      onMissingAddress: (['Wait', 'Replace', 'Fail'] as const)[upTo(3)] ?? 'Wait',
      addressDeadlineSeconds: 2 + upTo(8),
      group: random.next() < 0.25,
      path: random.next() < 0.75 ? 0 : undefined,
      drainSeconds: upTo(3) * 2,
      maxUnavailable: 1 + upTo(2),
      minReadySeconds: upTo(2) * 3,
      replaceAfterSeconds: 5 + upTo(20),
      readinessProbe: random.next() < 0.4,
    };
    wish.replicas = Math.min(replicas, mostReplicas(wish));
    this.#wishes.set(name, wish);
    this.#request(name, () => this.#world.user.of(jobResource).create(draftOf(wish)));
  }

  #createBatch({ pick, count }: Action): void {
    const taken = new Set(this.#batches.map(({ name }) => name));
    const wish = batchWish(seededRandom(pick * 7 + count), taken);
    if (wish === undefined) return;
    this.#batches.push(wish);
    this.#request(wish.name, () => this.#world.user.of(jobResource).create(batchDraftOf(wish)));
  }

  /** Another choice of networks, of a Job that need not change otherwise. */
  #rejoin(wish: Wish, { pick, count }: Action): void {
    const networks = attachments(pick % attachmentChoices, count);
    const next = { ...wish, networks };
    const replicas = Math.min(wish.replicas, mostReplicas(next));
    this.#change(wish, { networks, replicas, version: wish.version + 1 });
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
    const tasks = this.#world.store.tasks();
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

  /** An operator changes or removes what Jobs may be using, and mends it later. */
  #disturbNetwork(kind: 'change network' | 'delete network', { pick, count, ms }: Action): void {
    const [name, spec] = Object.entries(offeredNetworks)[pick % 4] ?? ['', {}];
    const networks = this.#world.user.of(networkResource);
    const rules = [
      { ...spec, namespaces: ['elsewhere'] },
      { ...spec, requiredLabels: ['team'] },
      { ...spec, staticRanges: ['192.0.2.0/28'] },
      { ...spec, ipFamilies: ['IPv6' as const], staticRanges: undefined },
    ];
    const disturbed = rules[count % rules.length] ?? spec;
    this.#request(`network ${name}`, () =>
      kind === 'change network' ? this.#offer(name, disturbed) : networks.delete({ name }),
    );
    this.#world.clock.after(ms, () => this.#mendNetwork(name));
  }

  #mendNetwork(name: string): void {
    const spec = offeredNetworks[name] ?? {};
    this.#request(`network ${name}`, () => this.#offer(name, spec));
  }

  async #offer(name: string, spec: Network['spec']): Promise<void> {
    const networks = this.#world.user.of(networkResource);
    const stored = await networks.find({ name });
    if (stored !== undefined) await networks.update({ ...stored, spec });
    else {
      const apiVersion = 'mesocosm.dev/v1' as const;
      await networks.create({ apiVersion, kind: 'Network', metadata: { name }, spec });
    }
  }

  /** From here on everything that is wanted can be had. */
  quiet(): void {
    for (const name of Object.keys(offeredNetworks)) this.#mendNetwork(name);
    for (const wish of this.wishes()) {
      if (wish.onMissingAddress === 'Replace' && isUnheard(wish)) this.#delete(wish);
    }
  }

  /** Somebody takes the address of a task away, or means to. */
  #deleteClaim({ pick }: Action): void {
    const claims = [...this.#world.store.list(prefixes.claims)];
    const name = claims[pick % Math.max(1, claims.length)]?.[1].metadata.name;
    if (name === undefined) return;
    this.#request(`claim ${name}`, () =>
      this.#world.user.of(addressClaimResource).delete({ name }),
    );
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
        // Invalid: a network is not offered for the moment.
        if (!isApiError(error, 'AlreadyExists', 'Conflict', 'Invalid')) throw error;
        await new Promise<void>((resolve) => this.#world.clock.after(1_000, resolve));
      }
    }
  }
}
