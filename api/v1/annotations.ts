import type { KubeObject } from '../machinery/metadata.ts';
import { closestWord } from '../machinery/suggest.ts';
import { defaultNetworkAnnotation } from './default-network.ts';
import { frameworkAnnotations } from './framework.ts';
import { group } from './group.ts';
import { givenResourcesAnnotation } from './limit-rules.ts';
import { heldBackAnnotation, runAnnotation } from './runs.ts';
import { publishedPathsAnnotation, purgeAnnotation, releaseHeldAnnotation } from './serverset.ts';
import { confirmDeadAnnotation, forceDeleteAnnotation } from './task.ts';
import { allowedUsersAnnotation, givenTenancyAnnotation, roleAnnotation } from './tenancy.ts';

/** All that mean something to us, on whichever kind. */
const known: readonly string[] = [
  allowedUsersAnnotation,
  confirmDeadAnnotation,
  defaultNetworkAnnotation,
  forceDeleteAnnotation,
  givenResourcesAnnotation,
  givenTenancyAnnotation,
  heldBackAnnotation,
  publishedPathsAnnotation,
  purgeAnnotation,
  releaseHeldAnnotation,
  roleAnnotation,
  runAnnotation,
  ...Object.values(frameworkAnnotations),
];

/**
 * A text for each annotation under our own name that means nothing to us: a misspelt one would be stored,
 * and nothing would come of it.
 */
export function unknownAnnotations({ metadata }: KubeObject): string[] {
  const names = Object.keys(metadata.annotations ?? {});
  return names
    .filter((name) => name.startsWith(`${group}/`) && !known.includes(name))
    .map((name) => {
      const near = closestWord(name, known);
      const mend = near === undefined ? 'remove it or check its spelling' : `did you mean ${near}?`;
      return `metadata.annotations[${name}]: nothing reads this annotation: ${mend}`;
    });
}
