import { timestamp, type Clock } from '../../machinery/clock.ts';
import { without, type JsonObject } from '../../machinery/json.ts';
import type { KubeObject, ObjectMeta } from '../../machinery/metadata.ts';
import { nameSuffix, type Random } from '../../machinery/random.ts';
import type { Resource } from '../../machinery/resource.ts';
import { hasGeneration } from './metadata.ts';
import { clientMetadata } from './update.ts';

/** Length of names made from generateName: a DNS label with room for the suffix. */
const generatedPrefixLength = 58;
const generatedSuffixLength = 5;

/** The object to be created: what the server owns is set, whatever the client sent there. */
export function drafted(
  resource: Resource,
  parsed: KubeObject,
  namespace: string | undefined,
  sources: { clock: Clock; random: Random },
): KubeObject {
  const sent = parsed.metadata;
  const metadata: ObjectMeta = {
    ...clientMetadata(sent),
    name: nameOf(sent, sources.random),
    ...(sent.generateName === undefined ? {} : { generateName: sent.generateName }),
    ...(namespace === undefined ? {} : { namespace }),
    uid: sources.random.uuid(),
    creationTimestamp: timestamp(sources.clock),
    ...(hasGeneration(resource) ? { generation: 1 } : {}),
    resourceVersion: '',
  };
  const draft = { ...parsed, metadata: without(metadata, 'resourceVersion') };
  const object = resource.subresources.status ? withoutStatus(draft) : draft;
  // The revision is not known before the store has answered; nothing below asks for it.
  return resource.defaults(object as KubeObject);
}

function nameOf(sent: ObjectMeta, random: Random): string {
  const { name, generateName } = sent as Partial<ObjectMeta>;
  if (name !== undefined && name !== '') return name;
  if (generateName === undefined || generateName === '') return '';
  const base = generateName.slice(0, generatedPrefixLength);
  return `${base}${nameSuffix(random, generatedSuffixLength)}`;
}

/**
 * What was sent of an object whose status is a part of its own: that of a user's kind is looked at only
 * where it can be set, so that what tools write there in passing refuses nothing.
 */
export function withoutForeignStatus(
  { unknownFields, subresources }: Resource,
  document: JsonObject,
): JsonObject {
  return unknownFields === 'prune' && subresources.status && Object.hasOwn(document, 'status')
    ? without(document, 'status')
    : document;
}

export function withoutStatus<T extends object>(object: T): T {
  return without(object as T & { status?: unknown }, 'status') as T;
}
