import type { ResourceClient } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { findCondition } from '../../api/machinery/conditions.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import { hasFinalizer, objectKey } from '../../api/machinery/metadata.ts';
import type { ServerSet, ServerSetStatus } from '../../api/v1/serverset.ts';
import { serverSetFinalizer } from '../../api/v1/serverset.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { WriteBarrier } from '../runtime/write-barrier.ts';
import type { ServerSetCaches } from './caches.ts';
import type { Drift } from './drift.ts';
import { publishedPaths } from './paths.ts';
import { listed } from './status.ts';

export interface SetWriterOptions {
  /** Fenced. */
  serverSets: ResourceClient<ServerSet>;
  caches: ServerSetCaches;
  barrier: WriteBarrier;
  events: Pick<EventRecorder, 'record'>;
  clock: Clock;
}

/** Two writes of a set's status lie this far apart. */
const statusIntervalMs = 1000;

/** Writes of the ServerSet objects themselves. Each answers the object as it is stored then. */
export class SetWriter {
  readonly #options: SetWriterOptions;
  /** Monotonic time of the last status write, by key. */
  readonly #statusAt = new Map<string, number>();

  constructor(options: SetWriterOptions) {
    this.#options = options;
  }

  /** Writes down that members may exist on `path`, before the first one does. */
  async claim(serverSet: ServerSet, path: string): Promise<ServerSet> {
    const { serverSets } = this.#options;
    let current = serverSet;
    if (!hasFinalizer(current, serverSetFinalizer)) {
      const finalizers = [...(current.metadata.finalizers ?? []), serverSetFinalizer];
      current = this.#wrote(
        await serverSets.update({ ...current, metadata: { ...current.metadata, finalizers } }),
      );
    }
    const paths = publishedPaths(current);
    if (paths.at(-1) === path) return current;
    const next = [...paths.filter((each) => each !== path), path];
    const status = { ...current.status, publishedPaths: next };
    return this.#wrote(await serverSets.updateStatus({ ...current, status }));
  }

  async dropFinalizer(serverSet: ServerSet): Promise<void> {
    const { metadata } = serverSet;
    if (!hasFinalizer(serverSet, serverSetFinalizer)) return;
    const finalizers = metadata.finalizers?.filter((each) => each !== serverSetFinalizer) ?? [];
    await this.#options.serverSets.update({ ...serverSet, metadata: { ...metadata, finalizers } });
  }

  /** What an operator asked for has been done. */
  async clear(serverSet: ServerSet, annotation: string): Promise<ServerSet> {
    const { [annotation]: done, ...annotations } = serverSet.metadata.annotations ?? {};
    if (done === undefined) return serverSet;
    const metadata = { ...serverSet.metadata, annotations };
    return this.#wrote(await this.#options.serverSets.update({ ...serverSet, metadata }));
  }

  reportPurge(serverSet: ServerSet, count: number): void {
    const message = `${count} members were removed, or replaced where their task is ready`;
    this.#options.events.record(serverSet, 'Normal', 'Purged', message);
  }

  reportDrift(serverSet: ServerSet, drifts: readonly Drift[]): void {
    if (drifts.length === 0) return;
    const what = listed(drifts.map(({ path, change }) => `${change.toLowerCase()} ${path}`));
    const message = `somebody else ${what}; the members are as they should be again`;
    this.#options.events.record(serverSet, 'Warning', 'MembersChanged', message);
  }

  /** Returns the milliseconds until a status that differs may be written. */
  async writeStatus(serverSet: ServerSet, status: ServerSetStatus): Promise<number | undefined> {
    if (jsonEqual(serverSet.status, status)) return undefined;
    const key = objectKey(serverSet.metadata);
    const now = this.#options.clock.monotonic();
    const due = (this.#statusAt.get(key) ?? -Infinity) + statusIntervalMs;
    if (due > now) return due - now;
    this.#statusAt.set(key, now);
    this.#wrote(await this.#options.serverSets.updateStatus({ ...serverSet, status }));
    this.#report(serverSet, status);
    return undefined;
  }

  forget(key: string): void {
    this.#statusAt.delete(key);
  }

  #wrote(serverSet: ServerSet): ServerSet {
    const { barrier, caches } = this.#options;
    const { metadata } = serverSet;
    barrier.wrote(objectKey(metadata), caches.serverSets, metadata.resourceVersion);
    return serverSet;
  }

  /** An Event for what has become wrong, and one when it no longer is. */
  #report(before: ServerSet, status: ServerSetStatus): void {
    const { events } = this.#options;
    for (const type of ['Stalled', 'Held'] as const) {
      const was = findCondition(before.status?.conditions, type);
      const is = findCondition(status.conditions, type);
      if (is?.status === 'True' && (was?.status !== 'True' || was.reason !== is.reason)) {
        const reason = type === 'Held' ? 'MembersHeld' : is.reason;
        events.record(before, 'Warning', reason, is.message);
      } else if (was?.status === 'True' && is?.status !== 'True') {
        const reason = type === 'Held' ? 'MembersReleased' : 'Resumed';
        events.record(before, 'Normal', reason, `no longer: ${was.message}`);
      }
    }
  }
}
