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

/** A lookup that can also tell what there is. */
export interface Directory extends Lookup {
  /** All of one namespace, in the order of their names. */
  list(plural: string, namespace: string): Promise<readonly KubeObject[]>;
}

/** One rule that needs more than the object itself. Answers what is wrong with the request. */
export type Admission = (request: AdmissionRequest, lookup: Directory) => Promise<FieldError[]>;

/** Completes an object that is about to be written by what other objects say. */
export type Defaulter = (
  request: {
    resource: Resource;
    namespace: string | undefined;
    object: KubeObject;
    /** What is stored; undefined for a new object. */
    old: KubeObject | undefined;
  },
  lookup: Directory,
) => Promise<KubeObject>;

/** A write that has passed every rule. */
export interface BudgetRequest extends Omit<AdmissionRequest, 'operation' | 'user' | 'warn'> {
  dryRun: boolean;
}

/** What was set aside for a write. */
export interface Reservation {
  /** Tells what became of the write. Not called where nobody knows. */
  settle(outcome: 'written' | 'refused'): void;
}

/** What a namespace may have in all. */
export interface Budget {
  /** Sets aside what the write takes, before it is sent. Throws 403 where too little is left. */
  reserve(request: BudgetRequest): Promise<Reservation>;
}

/**
 * What the author of a write should know of its consequences elsewhere, a text each. Asked before the
 * write, of the cache; `object` is what will be stored, undefined if it will be deleted.
 */
export type Advisor = (request: {
  resource: Resource;
  name: string;
  object: KubeObject | undefined;
}) => readonly string[];
