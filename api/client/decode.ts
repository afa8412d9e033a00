import { z } from 'zod';
import { ApiError, statusSchema } from '../machinery/errors.ts';
import { isObject, type JsonObject } from '../machinery/json.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { apiVersionOf } from '../machinery/metadata.ts';
import type { Resource } from '../machinery/resource.ts';
import type { ObjectList, Scale, WatchEvent } from './client.ts';
import type { SharedFields } from './shared-fields.ts';
import { TransportError } from './transport.ts';

const listSchema = z.object({
  metadata: z.object({
    resourceVersion: z.string(),
    continue: z.string().optional(),
    remainingItemCount: z.number().optional(),
  }),
  /** Servers in Go write an empty list as null. */
  items: z.array(z.custom<JsonObject>(isObject)).nullable(),
});

const scaleSchema = z.object({
  metadata: z.object({ resourceVersion: z.string().optional() }).optional(),
  spec: z.object({ replicas: z.number().optional() }).optional(),
  status: z.object({ replicas: z.number().optional(), selector: z.string().optional() }).optional(),
});

const eventSchema = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.unknown(),
});

const bookmarkSchema = z.object({ metadata: z.object({ resourceVersion: z.string().min(1) }) });

/** Fields that only a server sets; their absence means that the answer is no stored object. */
const storedSchema = z.object({
  metadata: z.object({
    name: z.string().min(1),
    uid: z.string().min(1),
    resourceVersion: z.string().min(1),
    creationTimestamp: z.string().min(1),
  }),
});

/** The refusal in an answer of HTTP status `code`, whatever its body is. */
export function refusal(body: unknown, code: number): ApiError {
  const status = statusSchema.safeParse(body);
  if (status.success) return ApiError.fromStatus(status.data, code);
  const message = typeof body === 'string' && body !== '' ? body.trim().slice(0, 1000) : undefined;
  return ApiError.fromStatus(
    {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      ...(message === undefined ? {} : { message }),
    },
    code,
  );
}

/**
 * An object of a server's answer. A newer server may send fields that this version does not know:
 * they are pruned, since refusing them would stop every older client during an upgrade.
 * A dry run's answer has no resourceVersion, so `stored` is false for it. With `shared`, a frozen
 * document is not copied, and parts of it that were decoded before are not checked again.
 */
export function decodeObject<T extends KubeObject>(
  resource: Resource<T>,
  document: unknown,
  { stored = true, shared }: { stored?: boolean; shared?: SharedFields } = {},
): T {
  const known = stored ? decodeShared(resource, document, shared) : undefined;
  if (known !== undefined) return known;
  const object = parsePruned(resource, withoutNulls(document));
  if (stored) {
    const check = storedSchema.safeParse(object);
    if (!check.success) throw undecodable(resource, issueText(check.error));
  }
  return object;
}

/**
 * Servers in Go may write an absent time of the metadata as null. Null and absent are the same, and
 * only one of them may reach those who ask whether a deletionTimestamp is there.
 */
function withoutNulls(document: unknown): unknown {
  if (!isObject(document)) return document;
  const { metadata } = document;
  if (!isObject(metadata) || !Object.values(metadata).includes(null)) return document;
  const present = Object.entries(metadata).filter(([, value]) => value !== null);
  return { ...document, metadata: Object.fromEntries(present) };
}

/** Undefined for what is not shared, and for what does not conform as it is. */
function decodeShared<T extends KubeObject>(
  resource: Resource<T>,
  document: unknown,
  shared: SharedFields | undefined,
): T | undefined {
  if (shared === undefined || !isObject(document) || !Object.isFrozen(document)) return undefined;
  const { known, rest } = shared.split(resource, document);
  const parsed = resource.parse(rest, known);
  if (!parsed.ok) return undefined;
  if (!('metadata' in known) && !storedSchema.safeParse(parsed.value).success) return undefined;
  return { ...parsed.value, ...shared.remember(resource, document) };
}

function parsePruned<T extends KubeObject>(resource: Resource<T>, document: unknown): T {
  let current = document;
  for (;;) {
    const parsed = resource.parse(current);
    if (parsed.ok) return parsed.value;
    if (parsed.unknown.length === 0) {
      const first = parsed.errors[0];
      throw undecodable(
        resource,
        first === undefined ? 'it has another shape' : `${first.field}: ${first.message}`,
      );
    }
    current = without(current, parsed.unknown);
  }
}

/** `document` without the fields at `paths`; each removal makes the next parse see less. */
function without(document: unknown, paths: readonly string[][]): unknown {
  const copy: unknown = structuredClone(document);
  for (const path of paths) {
    const last = path.at(-1);
    const holder = path.slice(0, -1).reduce<unknown>((node, segment) => child(node, segment), copy);
    if (last === undefined || !isContainer(holder) || !Reflect.deleteProperty(holder, last)) {
      throw new TransportError(`the answer's field ${path.join('.')} cannot be pruned`, {
        sent: true,
      });
    }
  }
  return copy;
}

function isContainer(node: unknown): node is object {
  return typeof node === 'object' && node !== null;
}

function child(node: unknown, segment: string): unknown {
  return isContainer(node) ? Reflect.get(node, segment) : undefined;
}

export function decodeList<T extends KubeObject>(
  resource: Resource<T>,
  document: unknown,
  shared?: SharedFields,
): ObjectList<T> {
  const list = listSchema.safeParse(document);
  if (!list.success) throw undecodable(resource, issueText(list.error));
  const { metadata, items } = list.data;
  // Items of the core kinds come without their type in lists of Kubernetes' own servers.
  const type = { apiVersion: apiVersionOf(resource.gvk), kind: resource.gvk.kind };
  const options = shared === undefined ? {} : { shared };
  return {
    items: (items ?? []).map((item) => {
      const typed = Object.isFrozen(item) ? item : { ...type, ...item };
      return decodeObject(resource, typed, options);
    }),
    resourceVersion: metadata.resourceVersion,
    continue: metadata.continue === '' ? undefined : metadata.continue,
    remainingItemCount: metadata.remainingItemCount,
  };
}

export function decodeScale(document: unknown): Scale {
  const scale = scaleSchema.safeParse(document);
  if (!scale.success) {
    throw new TransportError(`the answer is no Scale: ${issueText(scale.error)}`, { sent: true });
  }
  const { metadata, spec, status } = scale.data;
  return {
    replicas: spec?.replicas ?? 0,
    statusReplicas: status?.replicas ?? 0,
    selector: status?.selector ?? '',
    resourceVersion: metadata?.resourceVersion ?? '',
  };
}

/** One frame of a watch. An ERROR frame is thrown as the ApiError that it carries. */
export function decodeEvent<T extends KubeObject>(
  resource: Resource<T>,
  frame: unknown,
  shared?: SharedFields,
): WatchEvent<T> {
  const event = eventSchema.safeParse(frame);
  if (!event.success) throw undecodable(resource, `watch event: ${issueText(event.error)}`);
  const { type, object } = event.data;
  if (type === 'ERROR') throw refusal(object, 500);
  if (type !== 'BOOKMARK') {
    const options = shared === undefined ? {} : { shared };
    return { type, object: decodeObject(resource, object, options) };
  }
  const bookmark = bookmarkSchema.safeParse(object);
  if (!bookmark.success) throw undecodable(resource, `bookmark: ${issueText(bookmark.error)}`);
  return { type, resourceVersion: bookmark.data.metadata.resourceVersion };
}

function undecodable(resource: Pick<Resource, 'gvk'>, reason: string): TransportError {
  return new TransportError(`the answer is no ${resource.gvk.kind}: ${reason}`, { sent: true });
}

function issueText(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? error.message : `${issue.path.join('.')}: ${issue.message}`;
}
