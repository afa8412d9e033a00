import { rfc3339, timestamp, type Clock } from '../../machinery/clock.ts';
import { ApiError, type FieldError } from '../../machinery/errors.ts';
import type { Resource } from '../../machinery/resource.ts';
import { secretResource } from '../../v1/secret.ts';
import { serviceAccountResource } from '../../v1/service-account.ts';
import { tokenRequestResource, type TokenRequest } from '../../v1/token-request.ts';
import type { Connector } from '../endpoint.ts';
import { badRequest, conflict, invalid, notFound, type Named } from '../errors.ts';
import { bodyFormat, negotiate } from '../negotiation.ts';
import type { Lookup, WriteContext } from '../registry/context.ts';
import { asSubmitted, parseDocument } from '../registry/document.ts';
import { erased } from '../registry/erase.ts';
import { wholeSchema } from '../registry/object-meta.ts';
import { valueAnswer } from '../request.ts';
import { bodyOf, refOf, writeContext } from '../write-request.ts';
import type { Identity } from './identity.ts';
import type { BoundObject } from './service-account-tokens.ts';

/** Bounds of what may be asked for; of the lifetime, those of Kubernetes, in seconds. */
const limits = {
  leastSeconds: 600,
  mostSeconds: 2 ** 32,
  defaultSeconds: 3600,
  audiences: 32,
  audienceLength: 512,
} as const;

const requestResource: Resource = erased(tokenRequestResource);
const requestSchema = wholeSchema(tokenRequestResource);

export interface TokenRequestsOptions {
  /** undefined: this server issues no tokens. */
  serviceAccounts: Identity['serviceAccounts'];
  live: Lookup;
  clock: Clock;
}

/** Answers `serviceaccounts/token`: signs a token for an account that exists. */
export function tokenRequests({ serviceAccounts, live, clock }: TokenRequestsOptions): Connector {
  return async (_verb, info, request) => {
    if (serviceAccounts === undefined) {
      throw new ApiError(
        'ServiceUnavailable',
        'serviceaccounts/token: this server issues no tokens: its configuration lacks api.serviceAccounts',
      );
    }
    const { format } = negotiate(request.accept);
    const { context, warnings } = writeContext(request, 'CreateOptions');
    const body = bodyOf(request, bodyFormat(request.contentType), requestResource);
    const { name, namespace = '' } = refOf(info);
    const asked = parsedRequest(body, { name, namespace }, context);
    const account = await live.get('serviceaccounts', { namespace, name });
    if (account === undefined) throw notFound(serviceAccountResource, name);
    const { spec } = asked;
    const boundTo = await boundObject(spec.boundObjectRef, namespace, live);
    const { tokens, options } = serviceAccounts;
    const given = spec.audiences ?? [];
    const audiences = given.length > 0 ? given : (options.audiences ?? [options.issuer]);
    const wanted = spec.expirationSeconds ?? limits.defaultSeconds;
    const lifetimeSeconds = Math.min(wanted, options.maxTokenSeconds);
    if (lifetimeSeconds < wanted) {
      context.warn(
        `requested expiration of ${wanted} seconds shortened to ${lifetimeSeconds} seconds`,
      );
    }
    const { uid } = account.metadata;
    const order = { namespace, serviceAccount: { name, uid }, boundTo, audiences, lifetimeSeconds };
    // A trial run gets everything but the token.
    const { token, expires } = context.dryRun
      ? { token: '', expires: clock.now() + lifetimeSeconds * 1000 }
      : await tokens.issue(order);
    const value: TokenRequest = {
      ...asked,
      metadata: { ...asked.metadata, name, namespace, creationTimestamp: timestamp(clock) },
      spec: { ...spec, audiences: [...audiences], expirationSeconds: lifetimeSeconds },
      status: { token, expirationTimestamp: rfc3339(expires) },
    };
    return valueAnswer(value, { code: 201, warnings, format });
  };
}

/** The request in the body. Throws 400, 422. */
function parsedRequest(
  body: unknown,
  ref: { name: string; namespace: string },
  context: WriteContext,
): TokenRequest {
  const { document, metadata } = asSubmitted(requestResource, body);
  for (const field of ['name', 'namespace'] as const) {
    const said = metadata[field];
    if (said === undefined || said === '' || said === ref[field]) continue;
    throw badRequest(
      `the ${field} of the object (${JSON.stringify(said)}) does not match the ${field} on the URL (${ref[field]})`,
    );
  }
  const draft = { ...document, metadata, spec: document['spec'] ?? {} };
  const checked = parseDocument(requestResource, requestSchema, draft, context);
  const parsed = tokenRequestResource.parse(checked);
  if (!parsed.ok) throw invalid(requestResource, ref.name, parsed.errors);
  const errors = faultsOf(parsed.value.spec);
  if (errors.length > 0) throw invalid(requestResource, ref.name, errors);
  return parsed.value;
}

function faultsOf({ expirationSeconds, audiences = [] }: TokenRequest['spec']): FieldError[] {
  const faults: FieldError[] = [];
  if (expirationSeconds !== undefined) {
    const field = 'spec.expirationSeconds';
    const wrong = (what: string): FieldError => ({
      field,
      message: `Invalid value: ${expirationSeconds}: may not specify a duration ${what}`,
      reason: 'FieldValueInvalid',
    });
    if (expirationSeconds < limits.leastSeconds) faults.push(wrong('less than 10 minutes'));
    if (expirationSeconds > limits.mostSeconds) faults.push(wrong('larger than 2^32 seconds'));
  }
  if (
    audiences.length > limits.audiences ||
    audiences.some((audience) => audience === '' || audience.length > limits.audienceLength)
  ) {
    const message = `Invalid value: at most ${limits.audiences} audiences of 1 to ${limits.audienceLength} characters are allowed`;
    faults.push({ field: 'spec.audiences', message, reason: 'FieldValueInvalid' });
  }
  return faults;
}

const podNames: Named = { gvk: { group: '', version: 'v1', kind: 'Pod' }, plural: 'pods' };

/** What a token may be bound to, and where it is looked up: a Pod is the mirror of a Task. */
const bindable = {
  Pod: { of: podNames, plural: 'tasks' },
  Secret: { of: secretResource, plural: 'secrets' },
} as const;

/** The object that the token is to be bound to, as it is now. Throws 404, 409, 422. */
async function boundObject(
  ref: TokenRequest['spec']['boundObjectRef'],
  namespace: string,
  live: Lookup,
): Promise<BoundObject | undefined> {
  if (ref === undefined) return undefined;
  const { kind, apiVersion = 'v1', name = '', uid = '' } = ref;
  if ((kind !== 'Pod' && kind !== 'Secret') || apiVersion !== 'v1') {
    const message = `Unsupported value: ${JSON.stringify(`${apiVersion} ${kind ?? ''}`)}: supported values: "v1 Pod", "v1 Secret"`;
    throw invalid(requestResource, '', [
      { field: 'spec.boundObjectRef', message, reason: 'FieldValueNotSupported' },
    ]);
  }
  if (name === '') {
    throw invalid(requestResource, '', [
      {
        field: 'spec.boundObjectRef.name',
        message: 'Required value: name of the object',
        reason: 'FieldValueRequired',
      },
    ]);
  }
  const { of, plural } = bindable[kind];
  const found = await live.get(plural, { namespace, name });
  if (found === undefined) throw notFound(of, name);
  if (uid !== '' && uid !== found.metadata.uid) {
    throw conflict(
      of,
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  return { kind, name, uid: found.metadata.uid };
}
