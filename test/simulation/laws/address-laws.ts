import type { NetworkInfo, SchedulerCall } from '../../../proto/mesos/generated/messages.ts';
import type { StoredObject, StoreWrite } from '../store.ts';
import {
  claimFacts,
  isDead,
  mesosIdOf,
  phaseOf,
  prefixes,
  runsOf,
  taskKeyOf,
  type ClaimFacts,
  type TaskFacts,
} from '../views.ts';
import type { LawBook, Truth } from './law-book.ts';

const oneHolder = 'at most one live holder of an address';
const claimed = 'no task is launched without the claims of its addresses';

/** A look at the claims may be so much older than the write that follows from it. */
const decisionMs = 50;

/** Laws about addresses of one's own: who has the claim, who asks, who runs. */
export class AddressLaws {
  readonly #book: LawBook;
  readonly #truth: Truth;
  /** CNI networks with the addresses that each Mesos task was launched to ask for. */
  readonly #asked = new Map<string, readonly string[]>();
  /** When each claim was made, and each Task bound, by uid. */
  readonly #since = new Map<string, number>();

  constructor(book: LawBook, truth: Truth) {
    this.#book = book;
    this.#truth = truth;
  }

  wrote({ key, before, after }: StoreWrite): void {
    if (key.startsWith(prefixes.tasks)) this.#task(before, after);
    if (!key.startsWith(prefixes.claims)) return;
    const now = after === undefined ? undefined : claimFacts(after);
    if (before === undefined) {
      if (now !== undefined) this.#since.set(now.metadata.uid, this.#truth.now());
      return;
    }
    const was = claimFacts(before);
    if (now?.spec.holder.taskUid !== was.spec.holder.taskUid) this.#left(was, now);
  }

  /** The master has taken it. */
  arrived({ accept }: SchedulerCall): void {
    for (const { launch, launch_group: group } of accept?.operations ?? []) {
      for (const { task_id: id, container } of launch?.task_infos ?? []) {
        this.#launched([id.value], container?.network_infos ?? []);
      }
      const ids = (group?.task_group.tasks ?? []).map(({ task_id: id }) => id.value);
      if (ids.length > 0) this.#launched(ids, group?.executor.container?.network_infos ?? []);
    }
  }

  #task(before: StoredObject | undefined, after: StoredObject | undefined): void {
    if (after === undefined) return;
    const task = this.#truth.store.taskOf(after);
    const was = before === undefined ? undefined : this.#truth.store.taskOf(before);
    if (task.status?.mesos !== undefined && was?.status?.mesos === undefined) {
      this.#since.set(task.metadata.uid, this.#truth.now());
    }
    if (phaseOf(task) !== 'Unreachable') return;
    const { ip, ips = [], networks = [] } = task.status ?? {};
    if (ip === undefined && ips.length === 0 && networks.every((each) => each.ips.length === 0))
      return;
    this.#book.broken(
      'addresses of an unreachable task are out of discovery',
      `${task.metadata.name} is Unreachable and has ${ips.join(', ')}`,
    );
  }

  /** The claim names another Task, or is gone: nobody may be left who has the address by it. */
  #left({ metadata, spec }: ClaimFacts, now: ClaimFacts | undefined): void {
    const { holder } = spec;
    const whither = now === undefined ? 'is released' : `passes to ${now.spec.holder.task}`;
    const stored = this.#truth.store.get(`${prefixes.tasks}${holder.namespace}/${holder.task}`);
    const task =
      stored?.metadata.uid === holder.taskUid ? this.#truth.store.taskOf(stored) : undefined;
    if (task !== undefined && !isDead(task)) {
      const phase = phaseOf(task);
      this.#book.broken(oneHolder, `${metadata.name} ${whither}; ${holder.task} is ${phase}`);
    }
    const runs = runsOf(mesosIdOf(holder.namespace, holder.task), this.#truth.runningTasks());
    if (runs.length > 0) {
      this.#book.broken(oneHolder, `${metadata.name} ${whither}; ${runs.join(', ')} runs`);
    }
  }

  #launched(ids: readonly string[], infos: readonly NetworkInfo[]): void {
    const [id = ''] = ids;
    const stored = this.#truth.store.get(taskKeyOf(id));
    if (stored === undefined) return;
    const task = this.#truth.store.taskOf(stored);
    const askedOn = (network: string): string[] => {
      const cniName = task.status?.networks.find(({ name }) => name === network)?.cniName;
      const found = infos.find(({ name }) => name === cniName)?.ip_addresses ?? [];
      return found.map(({ ip_address: ip = '' }) => ip);
    };
    const addresses = task.spec.networks.flatMap(({ name }) =>
      askedOn(name).map((ip) => ({ network: name, ip })),
    );
    this.#hasClaims(task, addresses);
    for (const { name, ips, sticky } of task.spec.networks) {
      const kept = sticky ? this.#kept(stored, task, name) : ips;
      for (const ip of kept) {
        if (askedOn(name).includes(ip)) continue;
        this.#book.broken(
          'an address of its own is asked for in every run',
          `${id} is launched without asking for ${ip} on ${name}`,
        );
      }
    }
    this.#nobodyElse(ids, addresses);
  }

  #hasClaims(task: TaskFacts, addresses: readonly { network: string; ip: string }[]): void {
    const claims = [...this.#claims()];
    for (const { network, ip } of addresses) {
      const claim = claims.find(({ spec }) => spec.network === network && spec.ip === ip);
      if (claim?.spec.holder.taskUid === task.metadata.uid) continue;
      const holder = claim?.spec.holder.task ?? 'nobody';
      this.#book.broken(claimed, `${task.metadata.name} asks for ${ip}, held by ${holder}`);
    }
  }

  *#claims(): Generator<ClaimFacts> {
    for (const [, object] of this.#truth.store.list(prefixes.claims)) yield claimFacts(object);
  }

  /** What the instance had before it was bound: of each family the oldest. */
  #kept({ metadata }: StoredObject, task: TaskFacts, network: string): string[] {
    const owner = metadata.ownerReferences?.[0]?.uid;
    const boundAt = this.#since.get(task.metadata.uid) ?? 0;
    const ours = [...this.#claims()].filter(
      ({ spec, metadata: { uid, deletionTimestamp } }) =>
        spec.network === network &&
        spec.holder.jobUid === owner &&
        spec.holder.instance === task.spec.instance &&
        deletionTimestamp === undefined &&
        (this.#since.get(uid) ?? 0) < boundAt - decisionMs,
    );
    const age = (claim: ClaimFacts): string =>
      claim.metadata.creationTimestamp + claim.metadata.uid;
    ours.sort((a, b) => (age(a) < age(b) ? -1 : 1));
    const families = [false, true].map((isIPv6) =>
      ours.find(({ spec }) => spec.ip.includes(':') === isIPv6),
    );
    return families.flatMap((claim) => (claim === undefined ? [] : [claim.spec.ip]));
  }

  #nobodyElse(ids: readonly string[], addresses: readonly { network: string; ip: string }[]): void {
    const keys = addresses.map(({ network, ip }) => `${network} ${ip}`);
    if (keys.length === 0) return;
    for (const running of this.#truth.runningTasks()) {
      const shared = (this.#asked.get(running) ?? []).find((key) => keys.includes(key));
      if (shared === undefined || ids.includes(running)) continue;
      this.#book.broken(oneHolder, `${ids[0] ?? ''} asks for ${shared} while ${running} runs`);
    }
    for (const id of ids) this.#asked.set(id, keys);
  }
}
