import { notAcceptable, unsupportedMediaType } from './errors.ts';

/** One entry of an Accept header. */
export interface MediaRange {
  type: string;
  parameters: Readonly<Record<string, string>>;
}

/**
 * What Kubernetes names in its refusals. We take protobuf for its own kinds, and never answer in it.
 */
const readable = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

/** Entries in the order of the header, which clients mean as their preference; q=0 excludes. */
export function parseAccept(header: string | undefined): MediaRange[] {
  return (header ?? '')
    .split(',')
    .map(parseMediaType)
    .filter(({ type, parameters }) => type !== '' && Number(parameters['q'] ?? '1') > 0);
}

function parseMediaType(text: string): MediaRange {
  const [type = '', ...parameters] = text.split(';');
  return {
    type: type.trim().toLowerCase(),
    parameters: Object.fromEntries(
      parameters.map((parameter) => {
        const [name = '', value = ''] = parameter.split('=', 2);
        return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, '$1')];
      }),
    ),
  };
}

export type Form = 'Object' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';

/** How the answer is to be written. */
export interface Representation {
  format: 'json' | 'yaml';
  form: Form;
  /** Version of meta.k8s.io for Table and PartialObjectMetadata. */
  metaVersion: 'v1' | 'v1beta1';
}

const plainJson: Representation = { format: 'json', form: 'Object', metaVersion: 'v1' };

/** What a read of objects is answered with; the first entry that we can write wins. Throws 406. */
export function negotiate(accept: string | undefined): Representation {
  const ranges = parseAccept(accept);
  if (ranges.length === 0) return plainJson;
  for (const range of ranges) {
    const found = representationOf(range);
    if (found !== undefined) return found;
  }
  throw notAcceptable(readable);
}

function representationOf({ type, parameters }: MediaRange): Representation | undefined {
  const { as, g, v } = parameters;
  const format = formatOf(type);
  if (format === undefined) return undefined;
  if (as === undefined) return { ...plainJson, format };
  if (g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) return undefined;
  switch (as) {
    case 'Table':
    case 'PartialObjectMetadata':
    case 'PartialObjectMetadataList':
      return { format, form: as, metaVersion: v };
    default:
      return undefined;
  }
}

function formatOf(type: string): 'json' | 'yaml' | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'json';
  return type === 'application/yaml' ? 'yaml' : undefined;
}

/** Whether any entry is JSON in general or the named form of it; for discovery and OpenAPI. */
export function accepts(
  accept: string | undefined,
  as: string,
  group: string,
  version: string,
): boolean {
  return parseAccept(accept).some(
    ({ type, parameters }) =>
      type === 'application/json' &&
      parameters['as'] === as &&
      parameters['g'] === group &&
      parameters['v'] === version,
  );
}

export type BodyFormat = 'json' | 'yaml' | 'protobuf';

/** Format of the body of a create, update or delete; JSON if nothing is said. Throws 415. */
export function bodyFormat(contentType: string | undefined): BodyFormat {
  switch (parseMediaType(contentType ?? '').type) {
    case '':
    case 'application/json':
      return 'json';
    case 'application/yaml':
      return 'yaml';
    case 'application/vnd.kubernetes.protobuf':
      return 'protobuf';
    default:
      throw unsupportedMediaType(readable);
  }
}

export type PatchFormat = 'json' | 'merge' | 'strategic' | 'apply';

const patchTypes: Readonly<Record<string, PatchFormat>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

/** Kind of a patch by its content type; custom kinds have no strategic merge. Throws 415. */
export function patchFormat(contentType: string | undefined, strategic: boolean): PatchFormat {
  const format = patchTypes[parseMediaType(contentType ?? '').type];
  if (format !== undefined && (format !== 'strategic' || strategic)) return format;
  throw unsupportedMediaType(
    Object.keys(patchTypes).filter((type) => strategic || patchTypes[type] !== 'strategic'),
  );
}
