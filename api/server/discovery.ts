import { apiVersionOf } from '../machinery/metadata.ts';
import type { Resource } from '../machinery/resource.ts';
import type { Kinds } from './catalog.ts';
import { accepts } from './negotiation.ts';
import { valueAnswer, type Answer, type ServerRequest } from './request.ts';
import { verbsOf } from './verbs.ts';

/** One subresource as discovery lists it. */
interface Subresource {
  name: string;
  group: string;
  version: string;
  kind: string;
  verbs: readonly string[];
}

const aggregated = { group: 'apidiscovery.k8s.io', as: 'APIGroupDiscoveryList' };

/** What the server says of the kinds it serves: the documents under /api and /apis, legacy and aggregated. */
export class Discovery {
  readonly #catalog: Kinds;
  #made: { generation: number; groups: Groups } | undefined;

  constructor(catalog: Kinds) {
    this.#catalog = catalog;
  }

  get #groups(): Groups {
    const { generation, resources } = this.#catalog;
    if (this.#made?.generation !== generation) {
      this.#made = { generation, groups: groupsOf(resources) };
    }
    return this.#made.groups;
  }

  /** The document at the request's path; undefined: there is none. */
  answer(request: ServerRequest): Answer | undefined {
    if (request.method !== 'GET') return undefined;
    const path = request.path.replace(/\/$/, '');
    if (path === '/api' || path === '/apis') {
      const version = aggregatedVersion(request.accept);
      const core = path === '/api';
      if (version !== undefined) return this.#aggregated(core, version);
      return valueAnswer(core ? this.#coreVersions() : this.#groupList());
    }
    const [, root, first, second, ...rest] = path.split('/');
    if (rest.length > 0 || first === undefined) return undefined;
    if (root === 'api' && second === undefined) return this.#resourceList('', first);
    if (root !== 'apis' || first === '') return undefined;
    return second === undefined ? this.#group(first) : this.#resourceList(first, second);
  }

  #coreVersions(): unknown {
    return {
      kind: 'APIVersions',
      versions: [...(this.#groups.get('')?.keys() ?? [])],
      serverAddressByClientCIDRs: [],
    };
  }

  #groupList(): unknown {
    const groups = [...this.#groups].filter(([name]) => name !== '');
    return {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: groups.map(([name, versions]) => groupDocument(name, [...versions.keys()])),
    };
  }

  #group(name: string): Answer | undefined {
    const versions = this.#groups.get(name);
    if (versions === undefined) return undefined;
    const document = groupDocument(name, [...versions.keys()]);
    return valueAnswer({ kind: 'APIGroup', apiVersion: 'v1', ...document });
  }

  #resourceList(group: string, version: string): Answer | undefined {
    const resources = this.#groups.get(group)?.get(version);
    if (resources === undefined) return undefined;
    return valueAnswer({
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: apiVersionOf({ group, version }),
      resources: resources.flatMap(listed),
    });
  }

  #aggregated(core: boolean, version: string): Answer {
    const groups = [...this.#groups].filter(([name]) => (name === '') === core);
    const contentType = `application/json;g=${aggregated.group};v=${version};as=${aggregated.as}`;
    const value = {
      kind: aggregated.as,
      apiVersion: `${aggregated.group}/${version}`,
      metadata: {},
      items: groups.map(([name, versions]) => ({
        metadata: { name, creationTimestamp: null },
        versions: [...versions].map(([served, resources]) => ({
          version: served,
          resources: resources.map(discovered),
          freshness: 'Current',
        })),
      })),
    };
    return valueAnswer(value, { headers: { 'Content-Type': contentType } });
  }
}

/** By group and version, each in the order of the catalog. */
type Groups = ReadonlyMap<string, ReadonlyMap<string, readonly Resource[]>>;

function groupsOf(resources: readonly Resource[]): Groups {
  const groups = new Map<string, Map<string, Resource[]>>();
  for (const resource of resources) {
    const { group, version } = resource.gvk;
    const versions = groups.get(group) ?? new Map<string, Resource[]>();
    versions.set(version, [...(versions.get(version) ?? []), resource]);
    groups.set(group, versions);
  }
  return groups;
}

function aggregatedVersion(accept: string | undefined): 'v2' | 'v2beta1' | undefined {
  const { as, group } = aggregated;
  if (accepts(accept, as, group, 'v2')) return 'v2';
  return accepts(accept, as, group, 'v2beta1') ? 'v2beta1' : undefined;
}

function groupDocument(name: string, versions: readonly string[]): Record<string, unknown> {
  const listedVersions = versions.map((version) => ({
    groupVersion: apiVersionOf({ group: name, version }),
    version,
  }));
  return { name, versions: listedVersions, preferredVersion: listedVersions[0] };
}

function subresourcesOf(resource: Resource): Subresource[] {
  const { gvk, subresources } = resource;
  const scale = { name: 'scale', group: 'autoscaling', version: 'v1', kind: 'Scale' };
  const named = [
    ...(subresources.status ? [{ ...gvk, name: 'status' }] : []),
    ...(subresources.scale === undefined ? [] : [scale]),
    ...(subresources.reports ?? []).map(({ name, kind }) => ({ ...gvk, name, kind })),
    ...(subresources.connects ?? [])
      .filter(({ unserved }) => unserved !== true)
      .map((connect) => ({ ...gvk, ...connect })),
  ];
  return named.map((one) => ({ ...one, verbs: verbsOf(resource, one.name) }));
}

/** A resource and its subresources as entries of an APIResourceList. */
function listed(resource: Resource): unknown[] {
  const { plural, singular, namespaced, gvk, shortNames, categories } = resource;
  const own = {
    name: plural,
    singularName: singular,
    namespaced,
    kind: gvk.kind,
    verbs: verbsOf(resource, undefined),
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
  };
  const below = subresourcesOf(resource).map((sub) => ({
    name: `${plural}/${sub.name}`,
    singularName: '',
    namespaced,
    ...(sub.kind === gvk.kind ? {} : { group: sub.group, version: sub.version }),
    kind: sub.kind,
    verbs: sub.verbs,
  }));
  return [own, ...below];
}

/** A resource as APIResourceDiscovery. */
function discovered(resource: Resource): unknown {
  const { plural, singular, namespaced, gvk, shortNames, categories } = resource;
  const subresources = subresourcesOf(resource);
  return {
    resource: plural,
    responseKind: gvk,
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs: verbsOf(resource, undefined),
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
    ...(subresources.length === 0
      ? {}
      : {
          subresources: subresources.map(({ name, group, version, kind, verbs: allowed }) => ({
            subresource: name,
            responseKind: { group, version, kind },
            verbs: allowed,
          })),
        }),
  };
}
