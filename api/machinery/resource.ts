import type { FieldError } from './errors.ts';
import type { GroupVersionKind, KubeObject } from './metadata.ts';

/** A JSON schema node in the OpenAPI v3 dialect that Kubernetes calls structural. */
export interface SchemaNode {
  type?: string;
  format?: string;
  description?: string;
  properties?: Record<string, SchemaNode>;
  required?: string[];
  items?: SchemaNode;
  additionalProperties?: SchemaNode | boolean;
  enum?: unknown[];
  nullable?: boolean;
  [keyword: string]: unknown;
}

/** A column of the server-printed table (meta.k8s.io/v1 TableColumnDefinition plus how to fill it). */
export interface Column<T extends KubeObject> {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  format?: string;
  description: string;
  /** 0 is always shown, 1 only with `-o wide`. */
  priority: number;
  /** The cell as it is printed. `now` is wall time in milliseconds, for ages. */
  cell(object: T, now: number): string | number | boolean | null;
}

/** Where the `scale` subresource finds its numbers: JSON paths without the leading dot. */
export interface ScalePaths {
  specReplicas: readonly string[];
  statusReplicas: readonly string[];
  /** Text form of the label selector that autoscalers use. */
  statusSelector: readonly string[];
}

/** What a request does, in the words of authorization. */
export type Verb =
  'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** A subresource that is neither a part of the object nor a report about it: `pods/log`, `pods/exec`. */
export interface Connect {
  name: string;
  /** Kind of what is sent or answered, in this group and version, or that of the resource. */
  kind: string;
  group?: string;
  version?: string;
  verbs: readonly Verb[];
  /** Refused with what to do instead, and so not listed: clients ask for it all the same. */
  unserved?: true;
}

/** A read-only subresource that is computed at every request: `jobs/drift`. */
export interface Report {
  name: string;
  /** Kind of the answer, in the group and version of the resource. */
  kind: string;
  /** The structural schema of the answer. */
  schema: SchemaNode;
}

/** Result of holding an untrusted document against a schema. */
export type ParseResult<T> = { ok: true; value: T } | Unparsed;

export interface Unparsed {
  ok: false;
  /** Those about unknown fields included. */
  errors: FieldError[];
  /** Paths that the schema does not have. */
  unknown: string[][];
  /** In the order of `unknown`: what to write instead of a field that people expect. */
  mends?: readonly (string | undefined)[];
}

/** What a validation may look at besides the object itself; all of it is plain data. */
export interface ValidationContext {
  /** The stored object, on update. */
  old?: KubeObject;
}

/**
 * A kind as the server, the client and the printers see it, whether it was built from zod (our kinds)
 * or from a CustomResourceDefinition (users' kinds). Everything in it is a pure function.
 */
export interface Resource<T extends KubeObject = KubeObject> {
  gvk: GroupVersionKind;
  /** Lower case, in URLs. */
  plural: string;
  singular: string;
  shortNames: readonly string[];
  categories: readonly string[];
  namespaced: boolean;
  /** Clients of the core kinds send strategic merge patches; custom kinds answer them 415. */
  strategicMerge: boolean;
  /** What happens to a field that the schema does not have: our kinds refuse, core kinds prune. */
  unknownFields: 'refuse' | 'prune';
  subresources: {
    status: boolean;
    scale?: ScalePaths;
    reports?: readonly Report[];
    connects?: readonly Connect[];
  };
  /** What can be done with it; all if absent. */
  verbs?: readonly Verb[];
  /** The group under whose keys it is kept, if it is another view of what that group stores. */
  storageGroup?: string;
  /**
   * apiVersions of the same objects with the same paths to their fields: who wrote in one of them owns
   * the same fields here.
   */
  siblingVersions?: readonly string[];
  /** Seconds after which a new object expires, for Events. */
  ttlSeconds?: number;
  /**
   * When metadata.managedFields begin to tell who owns what: with the object (if absent), or, for kinds
   * that controllers write in masses, with the first server-side apply to it.
   */
  fieldOwners?: 'OnceApplied';
  /** Its contents are secret: no message, log or report may repeat them. */
  confidential?: true;
  /** Bound of one object's JSON in bytes; 1.5 MiB if absent. */
  maxBytes?: number;
  columns: readonly Column<T>[];
  /** Field selectors beyond metadata.name and metadata.namespace, e.g. involvedObject.name. */
  selectableFields: Readonly<Record<string, (object: T) => string>>;
  /** The structural schema of a whole object. */
  schema: SchemaNode;
  /**
   * Holds a document from a client or from storage against the schema, shape only. `checked` are top-level
   * fields that the document lacks, of which it is known that they conform: they are in the result.
   */
  parse(document: unknown, checked?: Readonly<Record<string, unknown>>): ParseResult<T>;
  /** The object with the defaults of this version; does not change its argument. */
  defaults(object: T): T;
  /** Rules beyond the shape; metadata rules are the server's. */
  validate(object: T, context: ValidationContext): FieldError[];
}

/** Any resource whatever its object type: what registries hold. */
export type AnyResource = Omit<
  Resource,
  'columns' | 'selectableFields' | 'defaults' | 'validate'
> & {
  columns: readonly Column<never>[];
  selectableFields: Readonly<Record<string, (object: never) => string>>;
  defaults(object: never): KubeObject;
  validate(object: never, context: ValidationContext): FieldError[];
};
