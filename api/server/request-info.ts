/** What a path means, before anybody asks whether it exists. */
export type RequestInfo = ResourceRequestInfo | { kind: 'path'; path: string };

export interface ResourceRequestInfo {
  kind: 'resource';
  /** Empty for the core group. */
  group: string;
  version: string;
  /** The deprecated `/watch/` form of a path. */
  legacyWatch: boolean;
  namespace: string | undefined;
  plural: string;
  name: string | undefined;
  subresource: string | undefined;
}

/** `/namespaces/x/status` is about the namespace x; any other third part is a resource in it. */
const namespaceSubresources = new Set(['status', 'finalize']);

/** Splits a path into its decoded parts; undefined if it is no path of an API server. */
export function pathSegments(path: string): string[] | undefined {
  const segments: string[] = [];
  for (const part of path.replace(/\/$/, '').split('/').slice(1)) {
    const segment = decoded(part);
    if (segment === undefined) return undefined;
    if (segment === '' || segment === '.' || segment === '..' || /[/\0-\x1f\x7f]/.test(segment)) {
      return undefined;
    }
    segments.push(segment);
  }
  return segments;
}

function decoded(part: string): string | undefined {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** The meaning of a path of Kubernetes' API. undefined: malformed. */
export function parsePath(path: string): RequestInfo | undefined {
  const segments = pathSegments(path);
  if (segments === undefined) return undefined;
  const [root, ...afterRoot] = segments;
  const grouped = root === 'apis';
  if (root !== 'api' && !grouped) return { kind: 'path', path };
  const [group = '', version = '', ...parts] = grouped ? afterRoot : ['', ...afterRoot];
  const legacyWatch = parts[0] === 'watch';
  const rest = legacyWatch ? parts.slice(1) : parts;
  const [first, second, third, fourth, fifth, ...more] = rest;
  if (first === undefined || more.length > 0) return { kind: 'path', path };
  const inNamespace =
    first === 'namespaces' && third !== undefined && !namespaceSubresources.has(third);
  if (!inNamespace && fourth !== undefined) return { kind: 'path', path };
  const [namespace, plural, name, subresource] = inNamespace
    ? [second, third, fourth, fifth]
    : [undefined, first, second, third];
  return { kind: 'resource', group, version, legacyWatch, namespace, plural, name, subresource };
}
