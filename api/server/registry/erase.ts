import type { AnyResource, Resource } from '../../machinery/resource.ts';

/**
 * The same resource seen as one of plain KubeObjects. What it is handed has passed its own `parse`, so
 * the functions of its kind get what they expect; the type system cannot follow that through a list of
 * kinds, and this is the one place that says so.
 */
export function erased(resource: AnyResource): Resource {
  return resource as unknown as Resource;
}
