import type { LeaseFence } from '../../client/transport.ts';
import type { FieldError } from '../../machinery/errors.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';

/** Who asks, once authenticated. */
export interface User {
  name: string;
  groups: readonly string[];
  /** Tells those apart who bear one name at different times. */
  uid?: string;
  /** What else the authenticator knows, keys in lower case: authentication.k8s.io/v1 UserInfo.extra. */
  extra?: Readonly<Record<string, readonly string[]>>;
}

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** What accompanies a write besides the object. */
export interface WriteContext {
  user: User;
  /** As whom metadata.managedFields remember the author of the write. */
  manager: string;
  dryRun: boolean;
  fieldValidation: FieldValidation;
  /** The leader's fence, if the write must fail once another leads. */
  fence: LeaseFence | undefined;
  /** Adds a text to the Warning headers of the answer. */
  warn(text: string): void;
}

/** A write that is about to happen, as admission sees it. */
export interface AdmissionRequest {
  operation: 'CREATE' | 'UPDATE';
  resource: Resource;
  namespace: string | undefined;
  object: KubeObject;
  old: KubeObject | undefined;
  subresource: string | undefined;
  user: User;
  /** Adds a text to the Warning headers of the answer: for what is allowed and may surprise. */
  warn(text: string): void;
}

/** How admission sees other objects: from the cache, or, before it refuses anything, from the store. */
export interface Lookup {
  get(plural: string, ref: { namespace?: string; name: string }): Promise<KubeObject | undefined>;
}

/** One rule that needs more than the object itself. Answers what is wrong with the request. */
export type Admission = (request: AdmissionRequest, lookup: Lookup) => Promise<FieldError[]>;

/** Completes an object that is about to be created by what other objects say. */
export type Defaulter = (
  request: { resource: Resource; namespace: string | undefined; object: KubeObject },
  lookup: Lookup,
) => Promise<KubeObject>;

/**
 * What the author of a write should know of its consequences elsewhere, a text each. Asked before the
 * write, of the cache; `object` is what will be stored, undefined if it will be deleted.
 */
export type Advisor = (request: {
  resource: Resource;
  name: string;
  object: KubeObject | undefined;
}) => readonly string[];
