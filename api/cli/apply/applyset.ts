import { createHash } from 'node:crypto';
import { z } from 'zod';
import { apiVersionOf } from '../../machinery/metadata.ts';
import { CommandError } from '../errors.ts';
import type { Kind, Kinds } from '../kinds.ts';

/**
 * An ApplySet (KEP-3659): objects with a label that names their set, and a parent object that says of which
 * kinds and in which namespaces they are. What is in the set and no longer in the files can so be found,
 * by this tool and by kubectl: both keep the same marks, and the mark of kubectl as the tool, which refuses
 * sets of others.
 */

export const partOfLabel = 'applyset.kubernetes.io/part-of';
const idLabel = 'applyset.kubernetes.io/id';
const toolingAnnotation = 'applyset.kubernetes.io/tooling';
const kindsAnnotation = 'applyset.kubernetes.io/contains-group-kinds';
const resourcesAnnotation = 'applyset.kubernetes.io/contains-group-resources';
const namespacesAnnotation = 'applyset.kubernetes.io/additional-namespaces';

/** Who owns the marks of parents; the name that kubectl uses. */
export const applySetManager = 'kubectl-applyset';
const tooling = 'kubectl/v1.32.0';

/** What keeps the marks of a set. */
export interface Parent {
  kind: 'Secret' | 'ConfigMap';
  plural: 'secrets' | 'configmaps';
  namespace: string;
  name: string;
}

/** Where members of a set may be. */
export interface Extent {
  /** `Job.mesocosm.dev`, `ConfigMap`. */
  groupKinds: ReadonlySet<string>;
  namespaces: ReadonlySet<string>;
}

/** `NAME`, `secret/NAME`, `configmaps/NAME`: a Secret unless it says so, as with kubectl. */
export function parseParent(text: string, namespace: string): Parent {
  const [, word = 'secrets', name = ''] = /^(?:([^/]+)\/)?([^/]+)$/.exec(text) ?? [];
  const isName = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name);
  if (isName && /^secrets?\.?$/i.test(word)) {
    return { kind: 'Secret', plural: 'secrets', namespace, name };
  }
  if (isName && /^(configmaps?|cm)\.?$/i.test(word)) {
    return { kind: 'ConfigMap', plural: 'configmaps', namespace, name };
  }
  throw new CommandError(
    'usage',
    `--applyset ${text}: name a Secret (NAME or secret/NAME) or a ConfigMap (configmap/NAME)`,
  );
}

/** The id of a set: of its parent, which is in the core group. */
export function applySetId({ name, namespace, kind }: Parent): string {
  const hash = createHash('sha256').update(`${name}.${namespace}.${kind}.`).digest('base64url');
  return `applyset-${hash}-v1`;
}

export function groupKindOf({ gvk }: Pick<Kind, 'gvk'>): string {
  return gvk.group === '' ? gvk.kind : `${gvk.kind}.${gvk.group}`;
}

/** What is applied to the parent so that it covers `extent`. */
export function parentDocument(parent: Parent, extent: Extent): Record<string, unknown> {
  const others = [...extent.namespaces].filter((namespace) => namespace !== parent.namespace);
  return {
    apiVersion: 'v1',
    kind: parent.kind,
    metadata: {
      name: parent.name,
      namespace: parent.namespace,
      labels: { [idLabel]: applySetId(parent) },
      annotations: {
        [toolingAnnotation]: tooling,
        [kindsAnnotation]: [...extent.groupKinds].sort().join(','),
        [namespacesAnnotation]: others.sort().join(','),
      },
    },
  };
}

const stringMap = z.record(z.string(), z.string()).default({});
const parentSchema = z.object({
  metadata: z.object({ labels: stringMap, annotations: stringMap }),
});

/** What a stored parent covers. Ends the command if it is of another tool, or no parent. */
export function extentOf(parent: Parent, stored: unknown, kinds: Kinds): Extent {
  const { labels, annotations } = parentSchema.parse(stored).metadata;
  const what = `${parent.plural}/${parent.name} in namespace ${parent.namespace}`;
  const refuse = (why: string): CommandError => new CommandError('failed', `${what} ${why}`);
  const tool = annotations[toolingAnnotation];
  if (tool === undefined) throw refuse('exists and is no ApplySet; choose another name');
  if (tool.replace(/\/[^/]*$/, '') !== 'kubectl') {
    throw refuse(`is the ApplySet of another tool, ${tool}; leave it to that`);
  }
  const id = labels[idLabel];
  if (id !== applySetId(parent)) throw refuse(`has the ApplySet id of another (${id ?? 'none'})`);
  const groupKinds = listed(annotations[kindsAnnotation]);
  const namespaces = listed(annotations[namespacesAnnotation]) ?? [];
  const resources = listed(annotations[resourcesAnnotation]);
  const known = groupKinds ?? resources?.map((resource) => groupKindOf(kinds.find(resource)));
  if (known === undefined) throw refuse('does not say of which kinds its objects are');
  return { groupKinds: new Set(known), namespaces: new Set([parent.namespace, ...namespaces]) };
}

/** Undefined if there is no such list. */
function listed(text: string | undefined): string[] | undefined {
  return text?.split(',').filter((part) => part !== '');
}

export function unionOf(left: Extent, right: Extent): Extent {
  return {
    groupKinds: new Set([...left.groupKinds, ...right.groupKinds]),
    namespaces: new Set([...left.namespaces, ...right.namespaces]),
  };
}

/** The kind of an entry of a parent; case does not matter, as in kubectl's older sets. */
export function kindOfGroupKind(kinds: Kinds, groupKind: string): Kind | undefined {
  const wanted = groupKind.toLowerCase();
  return kinds.all.find((kind) => groupKindOf(kind).toLowerCase() === wanted);
}

/** For messages: `mesocosm.dev/v1 Job`. */
export function kindText({ gvk }: Pick<Kind, 'gvk'>): string {
  return `${apiVersionOf(gvk)} ${gvk.kind}`;
}
