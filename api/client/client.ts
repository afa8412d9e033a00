import type { Draft, KubeObject } from '../machinery/metadata.ts';
import type { Resource } from '../machinery/resource.ts';
import type { LeaseFence } from './transport.ts';

export interface ObjectRef {
  namespace?: string | undefined;
  name: string;
}

export interface ListQuery {
  /** All namespaces if absent. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Absent: the newest state; '0': any state; N: not older than N. */
  resourceVersion?: string;
  limit?: number;
  continue?: string;
}

export interface ObjectList<T> {
  items: T[];
  resourceVersion: string;
  continue?: string | undefined;
  remainingItemCount?: number | undefined;
}

export interface WatchQuery {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Events after this version; '0' or absent replays the present state as ADDED first. */
  resourceVersion?: string;
  allowBookmarks?: boolean;
  timeoutSeconds?: number;
}

/** A 410 inside the stream is thrown as ApiError `Expired`: list again. */
export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; resourceVersion: string };

export type PatchType = 'json' | 'merge' | 'strategic';

export interface WriteQuery {
  fieldManager?: string;
  dryRun?: boolean;
}

export interface DeleteQuery extends WriteQuery {
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  preconditions?: { uid?: string; resourceVersion?: string };
}

export interface Scale {
  replicas: number;
  statusReplicas: number;
  selector: string;
  /** Version of the object that it is of. */
  resourceVersion: string;
}

/** Typed access to one kind. Refusals are ApiErrors, lost answers TransportErrors. */
export interface ResourceClient<T extends KubeObject> {
  readonly resource: Resource<T>;
  get(ref: ObjectRef): Promise<T>;
  /** As get, but absence is undefined. */
  find(ref: ObjectRef): Promise<T | undefined>;
  list(query?: ListQuery): Promise<ObjectList<T>>;
  watch(query: WatchQuery, signal: AbortSignal): AsyncIterable<WatchEvent<T>>;
  create(draft: Draft<T>, query?: WriteQuery): Promise<T>;
  /** Replaces all but status; the object's resourceVersion must be the stored one. */
  update(object: T, query?: WriteQuery): Promise<T>;
  /** Replaces status only; the object's resourceVersion must be the stored one. */
  updateStatus(object: T, query?: WriteQuery): Promise<T>;
  /** `patch` is a list of operations for `json`, an object otherwise. */
  patch(
    ref: ObjectRef,
    patch: unknown,
    options: WriteQuery & { type: PatchType; subresource?: 'status' | 'scale' },
  ): Promise<T>;
  delete(ref: ObjectRef, query?: DeleteQuery): Promise<void>;
  /** Replaces spec.finalizers of a Namespace, which nothing else can; other kinds answer 404. */
  finalize(object: T, query?: WriteQuery): Promise<T>;
  getScale(ref: ObjectRef): Promise<Scale>;
  /** The newest wish wins, unless it is for one version of the object: a newer one is a Conflict. */
  setScale(
    ref: ObjectRef,
    replicas: number,
    options?: WriteQuery & { resourceVersion?: string },
  ): Promise<Scale>;
}

export interface Client {
  of<T extends KubeObject>(resource: Resource<T>): ResourceClient<T>;
  /** The same client, every write of which is fenced. */
  fenced(fence: LeaseFence): Client;
}
