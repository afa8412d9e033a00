import { jsonEqual, valueAt } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import { group } from '../../v1/group.ts';
import { limitRangeResource, type LimitRange } from '../../v1/limit-range.ts';
import { limitProblems, withGivenResources } from '../../v1/limit-rules.ts';
import type { Admission, Defaulter, Directory } from '../registry/context.ts';

const templatePath = ['spec', 'template'];

/** Gives the containers of a Job what the LimitRanges of its namespace say, where they say nothing. */
export const giveResources: Defaulter = async ({ resource, namespace, object, old }, lookup) => {
  if (!isJob(resource) || namespace === undefined) return object;
  const ranges = isSameTemplate(object, old) ? [] : await rangesOf(namespace, lookup);
  return withGivenResources(object, old, ranges);
};

/** Holds the containers of a Job that change to the bounds of the LimitRanges. */
export const restrictResources: Admission = async (request, lookup) => {
  const { resource, namespace, object, old, subresource } = request;
  if (!isJob(resource) || namespace === undefined || subresource !== undefined) return [];
  if (isSameTemplate(object, old)) return [];
  return limitProblems(object, old, await rangesOf(namespace, lookup));
};

function isSameTemplate(object: KubeObject, old: KubeObject | undefined): boolean {
  return old !== undefined && jsonEqual(valueAt(object, templatePath), valueAt(old, templatePath));
}

function isJob({ gvk }: Pick<Resource, 'gvk'>): boolean {
  return gvk.group === group && gvk.kind === 'Job';
}

async function rangesOf(namespace: string, lookup: Directory): Promise<LimitRange[]> {
  const found = await lookup.list(limitRangeResource.plural, namespace);
  return found.flatMap((object: KubeObject) => {
    const parsed = limitRangeResource.parse(object);
    return parsed.ok ? [parsed.value] : [];
  });
}
