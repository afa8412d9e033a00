import fc, { type Arbitrary } from 'fast-check';
import { apiVersionOf } from '../../../api/machinery/metadata.ts';
import type { AnyResource } from '../../../api/machinery/resource.ts';
import { anyJson, valuesOf } from './values.ts';

/** A request that is HTTP, whatever else it is. */
export interface FuzzRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
}

/** As they stand in a path. */
const strangeNames = [
  ...['..', '.', '%2e%2e', '%2e%2e%2f%2e%2e%2fcore', 'a%2Fb', '%00', '%zz', '%', '%ff', '%20', '-'],
  ...['__proto__', 'constructor', 'UPPER', '%F0%9F%92%A5', 'x'.repeat(300)],
];
/** Few, so that requests meet each other's objects. */
const names = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('a', 'b', 'web', 'default') },
  { weight: 1, arbitrary: fc.constantFrom(...strangeNames) },
);
const namespaces = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('default', 'a') },
  { weight: 1, arbitrary: fc.constantFrom(...strangeNames) },
);
const subresources = fc.constantFrom(
  ...['status', 'scale', 'finalize', 'drift', 'log', 'exec', 'token', '__proto__', ''],
);

/** Parameters that clients send, with values that they do not. */
const parameters: Readonly<Record<string, readonly string[]>> = {
  watch: ['true', '0', ''],
  limit: ['1', '-1', '1e9', 'x', '99999999999999999999'],
  continue: ['', 'e30', 'bm90IGpzb24', 'eyJ2IjoxLCJydiI6LTF9', '\0'],
  resourceVersion: ['0', '1', '-1', '99999999999999999999', 'x'],
  resourceVersionMatch: ['Exact', 'NotOlderThan', 'Never'],
  sendInitialEvents: ['true', 'false', 'x'],
  allowWatchBookmarks: ['true', 'x'],
  labelSelector: ['a=b', 'a in (b', '!', '=', 'a,,b', '__proto__', '('.repeat(500)],
  fieldSelector: ['metadata.name=a', 'metadata.name!=a', '__proto__=x', 'a', ',,,', '\\'],
  fieldManager: ['me', '', 'x'.repeat(200), '\n'],
  fieldValidation: ['Strict', 'Warn', 'Ignore', 'x'],
  force: ['true', 'x'],
  dryRun: ['All', 'None', 'x'],
  propagationPolicy: ['Foreground', 'Orphan', 'x'],
  gracePeriodSeconds: ['-1', 'x'],
  includeObject: ['Object', 'None', 'x'],
};

/** A watch would last: each ends after its first second. */
const query = fc
  .array(
    fc
      .constantFrom(...Object.keys(parameters))
      .chain((name) => fc.tuple(fc.constant(name), fc.constantFrom(...(parameters[name] ?? [''])))),
    { maxLength: 4 },
  )
  .map((pairs) => new URLSearchParams([['timeoutSeconds', '1'], ...pairs]).toString());

const accepts = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('application/json', '*/*') },
  fc.constantFrom(
    'application/json;as=Table;v=v1;g=meta.k8s.io',
    'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
    'application/yaml',
    'application/vnd.kubernetes.protobuf',
    'text/html',
    ';;;,,,q=',
    'a'.repeat(10_000),
  ),
);

const patchTypes = [
  ...['merge-patch+json', 'json-patch+json', 'strategic-merge-patch+json', 'apply-patch+yaml'],
].map((type) => `application/${type}`);
const bodyTypes = [
  ...['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'],
  ...['', 'text/plain', 'application/json;charset=latin1'],
];

function documents(resource: AnyResource): Arbitrary<unknown> {
  const { gvk, schema } = resource;
  const whole = valuesOf({ ...schema, required: ['metadata', ...(schema.required ?? [])] });
  return fc.tuple(whole, names, fc.boolean()).map(([value, name, keep]) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const { metadata } = value as { metadata?: unknown };
    const given = typeof metadata === 'object' && keep ? metadata : {};
    const identity = { apiVersion: apiVersionOf(gvk), kind: gvk.kind };
    return { ...value, ...identity, metadata: { ...given, name } };
  });
}

const operations = fc.array(
  fc.record(
    {
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
      path: fc.constantFrom(
        '/spec',
        '/metadata/labels/a',
        '/spec/-',
        '',
        '/__proto__/x',
        'x',
        '/~2',
      ),
      from: fc.constantFrom('/spec', '/constructor', ''),
      value: anyJson,
    },
    { requiredKeys: ['op'] },
  ),
  { maxLength: 4 },
);

/** What becomes of a well-formed text on its way. */
type Damage = (text: string) => Buffer;
const damages: readonly Damage[] = [
  (text) => Buffer.from(text.slice(0, text.length >> 1)),
  (text) =>
    Buffer.concat([
      Buffer.from(text.slice(0, 9)),
      Buffer.from([0xff, 0xc0]),
      Buffer.from(text.slice(9)),
    ]),
  (text) => Buffer.from(text.replace('{', '{"kind":"Job","kind":"Task",')),
  (text) => Buffer.from(text.replace(/:\d+/, ':9007199254740993')),
  (text) => Buffer.from(text.replace(/:\d+/, ':1e400')),
  (text) => Buffer.from('{"a":'.repeat(3_000) + text + '}'.repeat(3_000)),
  () => Buffer.from('['.repeat(100_000)),
  (text) => Buffer.from(`&a [${'*a,'.repeat(40)}]\n${text}`),
  (text) => Buffer.concat([Buffer.from('k8s\0'), Buffer.from(text)]),
  (text) => Buffer.from(text + text),
  () => Buffer.alloc(0),
];

const bodies = (values: Arbitrary<unknown>): Arbitrary<Buffer> =>
  fc.oneof(
    { weight: 12, arbitrary: values.map((value) => Buffer.from(JSON.stringify(value))) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(values, fc.constantFrom(...damages))
        .map(([value, damage]) => damage(JSON.stringify(value))),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  );

/** Requests about the objects of one kind. */
function requestsAbout(resource: AnyResource): Arbitrary<FuzzRequest> {
  const { gvk, plural, namespaced } = resource;
  const root = gvk.group === '' ? `/api/${gvk.version}` : `/apis/${gvk.group}/${gvk.version}`;
  const collection = namespaced
    ? namespaces.map((namespace) => `${root}/namespaces/${namespace}/${plural}`)
    : fc.constant(`${root}/${plural}`);
  const item = fc.tuple(collection, names).map((parts) => parts.join('/'));
  const part = fc.tuple(item, subresources).map((parts) => parts.join('/'));
  const paths = fc.oneof(
    { weight: 4, arbitrary: collection },
    { weight: 6, arbitrary: item },
    { weight: 1, arbitrary: part },
  );
  const objects = documents(resource);
  const request = (
    methods: readonly string[],
    where: Arbitrary<string>,
    types: readonly string[],
    values: Arbitrary<unknown> | undefined,
  ): Arbitrary<FuzzRequest> =>
    fc
      .record({
        method: fc.constantFrom(...methods),
        path: fc.tuple(where, query).map((parts) => parts.join('?')),
        accept: accepts,
        type: fc.constantFrom(...types),
        body: values === undefined ? fc.constant(undefined) : bodies(values),
      })
      .map(({ accept, type, ...rest }) => ({ ...rest, headers: { accept, 'content-type': type } }));
  return fc.oneof(
    { weight: 4, arbitrary: request(['POST'], collection, ['application/json'], objects) },
    { weight: 2, arbitrary: request(['PUT'], item, ['application/json'], objects) },
    { weight: 3, arbitrary: request(['PATCH'], item, patchTypes, objects) },
    { weight: 1, arbitrary: request(['PATCH'], item, ['application/json-patch+json'], operations) },
    { weight: 3, arbitrary: request(['GET', 'HEAD', 'DELETE'], paths, [''], undefined) },
    {
      weight: 2,
      arbitrary: request(
        ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PURGE'],
        paths,
        [...bodyTypes, ...patchTypes],
        fc.oneof(objects, anyJson),
      ),
    },
  );
}

/** Requests about anything that is served, and about some things that are not. */
export function fuzzRequests(resources: readonly AnyResource[]): Arbitrary<FuzzRequest> {
  const elsewhere = fc
    .constantFrom(
      ...['/', '//', '/api', '/apis/', '/apis/mesocosm.dev', '/apis/__proto__/v1', '/openapi/v2'],
      ...[
        '/openapi/v3/apis/../x',
        '/metrics',
        '/readyz/x',
        '/livez?exclude=x',
        '/healthz',
        '/version',
      ],
      ...[
        '/api/v1/watch/namespaces?timeoutSeconds=1',
        '/api/v1/namespaces/a/b/c/d/e',
        `/${'a/'.repeat(1_000)}`,
      ],
    )
    .map((path): FuzzRequest => ({ method: 'GET', path, headers: {}, body: undefined }));
  return fc.oneof(
    {
      weight: 30,
      arbitrary: fc.constantFrom(...resources.map(requestsAbout)).chain((made) => made),
    },
    { weight: 1, arbitrary: elsewhere },
  );
}
