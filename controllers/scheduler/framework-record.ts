import type { ResourceClient } from '../../api/client/client.ts';
import { timestamp, type Clock } from '../../api/machinery/clock.ts';
import {
  isConditionTrue,
  setCondition,
  type ConditionInput,
} from '../../api/machinery/conditions.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import type { Random } from '../../api/machinery/random.ts';
import {
  isReplacingHeld,
  replacingHeld,
  type Framework,
  type FrameworkState,
  type FrameworkStatus,
} from '../../api/v1/framework.ts';
import { FencedWriter, type KnownObjects } from './fenced-writer.ts';
import type { Session } from './session.ts';

export interface FrameworkRecordOptions {
  client: ResourceClient<Framework>;
  /** Name of the object: that of the cluster. */
  name: string;
  clock: Clock;
  random: Random;
  signal: AbortSignal;
  onFenced: (error: Error) => void;
}

/** Declared deaths that are remembered. */
const maxBuried = 1_000;

/** The newest state known of the one object. */
class Known implements KnownObjects<Framework> {
  object: Framework | undefined;

  get(): Framework | undefined {
    return this.object;
  }

  put(object: Framework): void {
    const version = Number(this.object?.metadata.resourceVersion ?? 0);
    if (Number(object.metadata.resourceVersion) > version) this.object = object;
  }

  removed(object: Framework): void {
    if (this.object?.metadata.uid === object.metadata.uid) this.object = undefined;
  }
}

/** Our registration as the store has it. Every write is fenced; it is what a later leader goes by. */
export class FrameworkRecord {
  readonly #options: FrameworkRecordOptions;
  readonly #known = new Known();
  readonly #writer: FencedWriter<FrameworkStatus, Framework>;

  constructor(options: FrameworkRecordOptions) {
    this.#options = options;
    this.#writer = new FencedWriter({ ...options, known: this.#known });
  }

  get current(): Framework | undefined {
    return this.#known.object;
  }

  /** A change that the informer brought. */
  observed(framework: Framework): void {
    this.#known.put(framework);
  }

  deleted(framework: Framework): void {
    this.#known.removed(framework);
  }

  /** Reads the object linearizably; makes it if there is none. */
  async load(): Promise<Framework> {
    const { client, name } = this.#options;
    const found = await this.#writer.read(name);
    if (found !== undefined) return found;
    try {
      const apiVersion = 'mesocosm.dev/v1' as const;
      const draft = { apiVersion, kind: 'Framework' as const, metadata: { name }, spec: {} };
      const created = await client.create(draft);
      this.#known.put(created);
      return created;
    } catch (error) {
      if (isApiError(error, 'LeaderChanged')) this.#options.onFenced(error);
      if (isApiError(error, 'AlreadyExists')) return await this.load();
      throw error;
    }
  }

  /** Stores the id; resolves once it is stored. Before that nothing may be launched under it. */
  async subscribed(session: Session): Promise<void> {
    const { hostname, port } = session.master;
    await this.#change((status, now) => ({
      ...withoutReason(status),
      id: session.frameworkId,
      state: 'Subscribed',
      ...(session.masterId === undefined ? {} : { masterId: session.masterId }),
      masterAddress: `${hostname}:${port}`,
      subscribedTime: now,
      conditions: standing(status, 'Subscribed', 'Subscribed', 'subscribed to Mesos', now),
    }));
  }

  async notSubscribed(
    state: Exclude<FrameworkState, 'Subscribed'>,
    reason: string,
    message: string,
  ): Promise<void> {
    await this.#change((status, now) => ({
      ...status,
      state,
      reason,
      message,
      conditions: standing(status, state, reason, message, now),
    }));
  }

  /** Goes on under `id`, or anew without one; what blocked us is decided. */
  async identify(id: string | undefined): Promise<void> {
    await this.#change((status, now) => {
      const rest = withoutReason(status);
      delete rest.id;
      const message = id === undefined ? 'registers anew' : `goes on as ${id}`;
      const state = id === undefined ? 'Registering' : 'Disconnected';
      return {
        ...rest,
        ...(id === undefined ? {} : { id }),
        state,
        conditions: standing(status, state, 'Identified', message, now),
      };
    });
  }

  async holdReplacing(reason: string, message: string): Promise<void> {
    await this.#change((status, now) => ({
      ...status,
      conditions: setCondition(
        status.conditions,
        { type: replacingHeld, status: 'True', reason, message },
        now,
      ),
    }));
  }

  async releaseReplacing(reason: string, message: string): Promise<void> {
    if (!isReplacingHeld(this.current)) return;
    await this.#change((status, now) =>
      isConditionTrue(status.conditions, replacingHeld)
        ? {
            ...status,
            conditions: setCondition(
              status.conditions,
              { type: replacingHeld, status: 'False', reason, message },
              now,
            ),
          }
        : status,
    );
  }

  /** Mesos tasks that are to be killed if they return, whatever becomes of their Task. */
  async bury(taskIds: readonly string[]): Promise<void> {
    await this.#change((status) => {
      const { buried = [] } = status;
      const added = taskIds.filter((taskId) => !buried.includes(taskId));
      return added.length === 0
        ? status
        : { ...status, buried: [...buried, ...added].slice(-maxBuried) };
    });
  }

  isBuried(taskId: string): boolean {
    return this.current?.status?.buried?.includes(taskId) ?? false;
  }

  /** A decision has been carried out. */
  async dropAnnotation(name: string): Promise<void> {
    await this.#writer.change(this.#options.name, (framework) => {
      const annotations = { ...framework.metadata.annotations };
      if (annotations[name] === undefined) return undefined;
      const kept = Object.entries(annotations).filter(([key]) => key !== name);
      return {
        ...framework,
        metadata: { ...framework.metadata, annotations: Object.fromEntries(kept) },
      };
    });
  }

  /** The object is made anew if somebody deleted it: without it, a later leader would be blocked. */
  async #change(next: (status: FrameworkStatus, now: string) => FrameworkStatus): Promise<void> {
    const { clock, name } = this.#options;
    for (;;) {
      const stored = await this.#writer.changeStatus(name, (framework) => {
        const status = framework.status ?? { state: 'Registering' as const };
        const changed = next(status, timestamp(clock));
        return jsonEqual(changed, framework.status) ? undefined : changed;
      });
      if (stored !== undefined) return;
      await this.load();
    }
  }
}

function withoutReason(status: FrameworkStatus): FrameworkStatus {
  const rest = { ...status };
  delete rest.reason;
  delete rest.message;
  return rest;
}

/** Ready, Reconciling and Stalled after kstatus: a framework that is Blocked waits for an operator. */
function standing(
  status: FrameworkStatus,
  state: FrameworkState,
  reason: string,
  message: string,
  now: string,
): FrameworkStatus['conditions'] {
  const is = (type: string, value: boolean): ConditionInput => ({
    ...{ type, status: value ? 'True' : 'False', reason },
    message: value || type === 'Ready' ? message : '',
  });
  return [
    is('Ready', state === 'Subscribed'),
    is('Reconciling', state === 'Registering' || state === 'Disconnected'),
    is('Stalled', state === 'Blocked'),
  ].reduce((known, each) => setCondition(known, each, now), status.conditions ?? []);
}
