import { unknownAnnotations } from '../../v1/annotations.ts';
import type { Advisor } from '../registry/context.ts';

/** Tells who writes an annotation of ours that there is not. */
export const adviseOnAnnotations: Advisor = ({ object }) =>
  object === undefined ? [] : unknownAnnotations(object);
