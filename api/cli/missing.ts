import { isObject, own } from '../machinery/json.ts';
import { CommandError } from './errors.ts';
import { qualifiedPlural, type Kind, type Target } from './kinds.ts';

/** Ends the command if a list by name, of objects or rows, is empty: the object does not exist. */
export function refuseMissing(resource: Kind, name: string, list: unknown): void {
  const entries = isObject(list) ? (own(list, 'items') ?? own(list, 'rows')) : undefined;
  if (Array.isArray(entries) && entries.length > 0) return;
  throw notFound(resource, name);
}

export function notFound(resource: Kind, name: string): CommandError {
  return new CommandError('failed', `${qualifiedPlural(resource)} "${name}" not found`);
}

/** `namespace`: where it was looked; undefined for all. */
export function nothingFound(targets: readonly Target[], namespace: string | undefined): string {
  const kinds = targets.map(({ resource }) => resource.plural).join(', ');
  const namespaced = targets.some(({ resource }) => resource.namespaced);
  const where = namespaced && namespace !== undefined ? ` in namespace ${namespace}` : '';
  return `No ${kinds} found${where}.`;
}
