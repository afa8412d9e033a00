import type { FieldError } from '../machinery/errors.ts';
import { isObject, jsonEqual, valueAt, without, withValueAt } from '../machinery/json.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { parseQuantity } from '../machinery/quantity.ts';
import { sizes, type LimitRange, type LimitRangeItem, type Size } from './limit-range.ts';
import { containerSchema, type Container } from './template.ts';

/**
 * On a Job: which requests and limits its containers were given by a LimitRange, as
 * `main/requests.cpu,main/limits.memory`. They stand in the template as if they had been submitted,
 * so that a later change of the LimitRange rolls nothing.
 */
export const givenResourcesAnnotation = 'mesocosm.dev/given-resources';

const containersPath = ['spec', 'template', 'spec', 'containers'];
const sections = ['requests', 'limits'] as const;
type Section = (typeof sections)[number];

/** What can be given, requests first. Mesos limits disk to its request. */
const places = sections.flatMap((section) =>
  sizes
    .filter((size) => section === 'requests' || size !== 'ephemeral-storage')
    .map((size) => ({ section, size })),
);

/**
 * The Job with what LimitRanges give to its containers. An update keeps what a container was given and
 * says nothing about; only a container that is new, or that has just dropped a value of its own, is given
 * anew: what a Job leaves as it was changes by no LimitRange.
 */
export function withGivenResources(
  job: KubeObject,
  stored: KubeObject | undefined,
  ranges: readonly LimitRange[],
): KubeObject {
  const before = givenIn(stored);
  if (ranges.length === 0 && before.length === 0) return marked(job, []);
  const old = new Map(containersOf(stored).map((container) => [container.name, container]));
  const items = itemsOf(ranges);
  const given: string[] = [];
  const submitted = containersOf(job);
  const containers = submitted.map((container) => {
    const known = old.get(container.name);
    let next = container;
    for (const { section, size } of places) {
      const mark = `${container.name}/${section}.${size}`;
      const wasGiven = before.includes(mark);
      const value = container.resources?.[section]?.[size];
      const last = known?.resources?.[section]?.[size];
      if (value !== undefined) {
        if (wasGiven && value === last) given.push(mark);
        continue;
      }
      const isFree = known === undefined || (last !== undefined && !wasGiven);
      const gift = isFree ? giftOf(items, next, section, size) : wasGiven ? last : undefined;
      if (gift === undefined) continue;
      next = withResource(next, section, size, gift);
      given.push(mark);
    }
    return next;
  });
  const isSame = jsonEqual(containers, submitted);
  const complete = isSame
    ? job
    : { ...job, ...withValueAt({ ...job }, containersPath, containers) };
  return marked(complete, given);
}

/** The first that says something. A limit below what the container itself requests is none. */
function giftOf(
  items: readonly LimitRangeItem[],
  { resources }: Container,
  section: Section,
  size: Size,
): string | number | undefined {
  const list = section === 'limits' ? 'default' : 'defaultRequest';
  const gift = items.map((item) => item[list]?.[size]).find((value) => value !== undefined);
  const least = section === 'limits' ? resources?.requests?.[size] : undefined;
  return amountOf(gift) < amountOf(least) ? undefined : gift;
}

function amountOf(value: string | number | undefined): number {
  return parseQuantity(value ?? 0) ?? 0;
}

function withResource(
  container: Container,
  section: Section,
  size: Size,
  value: string | number,
): Container {
  const { resources } = container;
  return {
    ...container,
    resources: { ...resources, [section]: { ...resources?.[section], [size]: value } },
  };
}

/** The annotation is the server's: what a client writes there counts for nothing. */
function marked(job: KubeObject, given: readonly string[]): KubeObject {
  const text = given.length === 0 ? undefined : given.join(',');
  const { annotations = {}, ...metadata } = job.metadata;
  if (annotations[givenResourcesAnnotation] === text) return job;
  const others = without(annotations, givenResourcesAnnotation);
  const next = text === undefined ? others : { ...others, [givenResourcesAnnotation]: text };
  const isEmpty = Object.keys(next).length === 0;
  return { ...job, metadata: isEmpty ? metadata : { ...metadata, annotations: next } };
}

function givenIn(job: KubeObject | undefined): string[] {
  return job?.metadata.annotations?.[givenResourcesAnnotation]?.split(',') ?? [];
}

/** What is wrong with the containers of a Job that are not as they were. */
export function limitProblems(
  job: KubeObject,
  stored: KubeObject | undefined,
  ranges: readonly LimitRange[],
): FieldError[] {
  if (ranges.length === 0) return [];
  const old = new Map(containersOf(stored).map((container) => [container.name, container]));
  const items = itemsOf(ranges);
  return containersOf(job).flatMap((container, index) => {
    if (jsonEqual(container.resources, old.get(container.name)?.resources)) return [];
    const field = `${containersPath.join('.')}[${index}].resources`;
    return items.flatMap((item) => sizes.flatMap((size) => problems(container, item, size, field)));
  });
}

function problems(
  { resources }: Container,
  { min, max, maxLimitRequestRatio }: LimitRangeItem,
  size: Size,
  path: string,
): FieldError[] {
  const request = resources?.requests?.[size];
  // Mesos takes the request for the limit; of CPU only while others want it.
  const limit = resources?.limits?.[size] ?? (size === 'cpu' ? undefined : request);
  const errors: FieldError[] = [];
  const refuse = (section: Section, message: string): void => {
    errors.push({ field: `${path}.${section}.${size}`, message, reason: 'FieldValueForbidden' });
  };
  const least = min?.[size];
  if (least !== undefined) {
    const text = `minimum ${size} usage per Container is ${least}`;
    if (request === undefined) refuse('requests', `${text}. No request is specified`);
    else if (amountOf(request) < amountOf(least))
      refuse('requests', `${text}, but request is ${request}`);
  }
  const most = max?.[size];
  if (most !== undefined) {
    const text = `maximum ${size} usage per Container is ${most}`;
    if (limit === undefined) refuse('limits', `${text}. No limit is specified`);
    else if (amountOf(limit) > amountOf(most)) refuse('limits', `${text}, but limit is ${limit}`);
    if (amountOf(request) > amountOf(most))
      refuse('requests', `${text}, but request is ${request ?? 0}`);
  }
  const ratio = maxLimitRequestRatio?.[size];
  if (ratio !== undefined) {
    const text = `${size} max limit to request ratio per Container is ${ratio}`;
    const provided = amountOf(limit) / amountOf(request);
    if (limit === undefined || amountOf(request) === 0) {
      refuse('limits', `${text}, but no request is specified or request is 0, or no limit`);
    } else if (provided > amountOf(ratio)) {
      refuse('limits', `${text}, but provided ratio is ${provided.toFixed(6)}`);
    }
  }
  return errors;
}

function itemsOf(ranges: readonly LimitRange[]): LimitRangeItem[] {
  return ranges.flatMap(({ spec }) => spec?.limits ?? []);
}

/** The containers of a Job as submitted: what is no container is refused by the shape, before or after. */
function containersOf(job: KubeObject | undefined): Container[] {
  const list = job === undefined ? undefined : valueAt(job, containersPath);
  const parsed = containerSchema
    .array()
    .safeParse(Array.isArray(list) ? list.filter(isObject) : []);
  return parsed.success ? parsed.data : [];
}
