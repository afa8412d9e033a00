import { apiVersionOf } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import { scaleDefinitionName } from './definitions.ts';
import { definitionName, metaPackage } from './naming.ts';

/** One query or path parameter, apart from how a version of OpenAPI writes it. */
export interface Parameter {
  name: string;
  in: 'query' | 'path';
  type: 'string' | 'integer' | 'boolean';
  description: string;
}

/** One operation, apart from how a version of OpenAPI writes it. */
export interface Operation {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  id: string;
  description: string;
  /** x-kubernetes-action. */
  action: string;
  gvk: { group: string; version: string; kind: string };
  parameters: readonly Parameter[];
  /** Name of the definition of the body; patches have none. */
  body?: string;
  consumes: readonly string[];
  /** Name of the definition of the answer. */
  answer: string;
}

export interface PathOperations {
  path: string;
  parameters: readonly Parameter[];
  operations: readonly Operation[];
}

const query = (name: string, type: Parameter['type'], description: string): Parameter => ({
  name,
  in: 'query',
  type,
  description,
});

const namespaceParameter: Parameter = {
  name: 'namespace',
  in: 'path',
  type: 'string',
  description: 'Namespace of the object.',
};
const nameParameter: Parameter = {
  name: 'name',
  in: 'path',
  type: 'string',
  description: 'Name of the object.',
};

const pretty = query('pretty', 'string', 'Accepted and ignored.');
const dryRun = query('dryRun', 'string', 'All: a rehearsal that changes nothing.');
const fieldManager = query('fieldManager', 'string', 'Who makes this change.');
const fieldValidation = query(
  'fieldValidation',
  'string',
  'Strict, Warn or Ignore: what happens to fields that the schema does not have.',
);
const writing = [pretty, dryRun, fieldManager, fieldValidation];
const force = query('force', 'boolean', 'Take fields that others own; for server-side apply.');

const listing = [
  pretty,
  query('allowWatchBookmarks', 'boolean', 'Whether a watch sends bookmarks.'),
  query('continue', 'string', 'Token of the page to return.'),
  query('fieldSelector', 'string', 'Fields that the objects must have.'),
  query('labelSelector', 'string', 'Labels that the objects must have.'),
  query('limit', 'integer', 'Most objects to return at a time.'),
  query('resourceVersion', 'string', 'Version that the answer is about.'),
  query('resourceVersionMatch', 'string', 'Exact or NotOlderThan.'),
  query('timeoutSeconds', 'integer', 'When a watch ends.'),
  query('watch', 'boolean', 'Whether to stream the changes.'),
];

const deleting = [
  pretty,
  dryRun,
  query('gracePeriodSeconds', 'integer', 'Kept for compatibility.'),
  query('orphanDependents', 'boolean', 'Deprecated: use propagationPolicy.'),
  query('propagationPolicy', 'string', 'Background, Foreground or Orphan.'),
];

const plainBodies = ['application/json', 'application/yaml'];

function patchBodies(resource: Resource): string[] {
  return [
    'application/json-patch+json',
    'application/merge-patch+json',
    ...(resource.strategicMerge ? ['application/strategic-merge-patch+json'] : []),
    'application/apply-patch+yaml',
  ];
}

/** All paths of one kind with what can be done there. */
export function pathsOf(resource: Resource): PathOperations[] {
  const { gvk, plural, namespaced, subresources } = resource;
  const version = apiVersionOf(gvk);
  const root = gvk.group === '' ? `/api/${version}` : `/apis/${version}`;
  const scope = namespaced ? [namespaceParameter] : [];
  const collection = namespaced ? `${root}/namespaces/{namespace}/${plural}` : `${root}/${plural}`;
  const paths: PathOperations[] = [
    { path: collection, parameters: scope, operations: collectionOperations(resource) },
    {
      path: `${collection}/{name}`,
      parameters: [nameParameter, ...scope],
      operations: objectOperations(resource),
    },
  ];
  if (namespaced) {
    const operations = [listOperation(resource, 'ForAllNamespaces')];
    paths.push({ path: `${root}/${plural}`, parameters: [], operations });
  }
  const below = [
    ...(subresources.status ? [['status', definitionName(gvk)] as const] : []),
    ...(subresources.scale === undefined ? [] : [['scale', scaleDefinitionName] as const]),
  ];
  for (const [name, definition] of below) {
    paths.push({
      path: `${collection}/{name}/${name}`,
      parameters: [nameParameter, ...scope],
      operations: subresourceOperations(resource, name, definition),
    });
  }
  for (const { name, kind } of subresources.reports ?? []) {
    paths.push({
      path: `${collection}/{name}/${name}`,
      parameters: [nameParameter, ...scope],
      operations: [reportOperation(resource, name, kind)],
    });
  }
  return paths;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function idOf(resource: Resource, verb: string, suffix: string): string {
  const { gvk, namespaced } = resource;
  const words = gvk.group === '' ? ['core'] : gvk.group.split('.');
  const group = words.map(capital).join('');
  return `${verb}${group}${capital(gvk.version)}${namespaced ? 'Namespaced' : ''}${gvk.kind}${suffix}`;
}

function listOperation(resource: Resource, suffix: string): Operation {
  const { gvk, plural } = resource;
  return {
    method: 'get',
    id: idOf(resource, 'list', suffix),
    description: `list or watch ${plural}`,
    action: 'list',
    gvk,
    parameters: listing,
    consumes: [],
    answer: definitionName({ ...gvk, kind: `${gvk.kind}List` }),
  };
}

function collectionOperations(resource: Resource): Operation[] {
  const { gvk, plural } = resource;
  const own = definitionName(gvk);
  return [
    listOperation(resource, ''),
    {
      method: 'post',
      id: idOf(resource, 'create', ''),
      description: `create a ${gvk.kind}`,
      action: 'post',
      gvk,
      parameters: writing,
      body: own,
      consumes: plainBodies,
      answer: own,
    },
    {
      method: 'delete',
      id: idOf(resource, 'deleteCollection', ''),
      description: `delete ${plural}`,
      action: 'deletecollection',
      gvk,
      parameters: [...deleting, ...listing.filter(({ name }) => name !== 'pretty')],
      body: `${metaPackage}.DeleteOptions`,
      consumes: plainBodies,
      answer: `${metaPackage}.Status`,
    },
  ];
}

function objectOperations(resource: Resource): Operation[] {
  const { gvk } = resource;
  return [
    ...readAndWrite(resource, '', definitionName(gvk), gvk.kind),
    {
      method: 'delete',
      id: idOf(resource, 'delete', ''),
      description: `delete a ${gvk.kind}`,
      action: 'delete',
      gvk,
      parameters: deleting,
      body: `${metaPackage}.DeleteOptions`,
      consumes: plainBodies,
      answer: `${metaPackage}.Status`,
    },
  ];
}

function subresourceOperations(resource: Resource, name: string, definition: string): Operation[] {
  return readAndWrite(resource, capital(name), definition, `${name} of a ${resource.gvk.kind}`);
}

function reportOperation(resource: Resource, name: string, kind: string): Operation {
  const { gvk } = resource;
  return {
    method: 'get',
    id: idOf(resource, 'read', capital(name)),
    description: `compute the ${name} of a ${gvk.kind}`,
    action: 'get',
    gvk: { ...gvk, kind },
    parameters: [pretty],
    consumes: [],
    answer: definitionName({ ...gvk, kind }),
  };
}

function readAndWrite(
  resource: Resource,
  suffix: string,
  definition: string,
  what: string,
): Operation[] {
  const { gvk } = resource;
  const shared = { gvk, answer: definition };
  return [
    {
      ...shared,
      method: 'get',
      id: idOf(resource, 'read', suffix),
      description: `read the ${what}`,
      action: 'get',
      parameters: [pretty, query('resourceVersion', 'string', 'Version that is old enough.')],
      consumes: [],
    },
    {
      ...shared,
      method: 'put',
      id: idOf(resource, 'replace', suffix),
      description: `replace the ${what}`,
      action: 'put',
      parameters: writing,
      body: definition,
      consumes: plainBodies,
    },
    {
      ...shared,
      method: 'patch',
      id: idOf(resource, 'patch', suffix),
      description: `change the ${what}`,
      action: 'patch',
      parameters: [...writing, force],
      consumes: patchBodies(resource),
    },
  ];
}
