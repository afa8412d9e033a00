import type { User } from './registry/context.ts';

/** What an authorizer decides about, in Kubernetes' words. */
export interface Attributes {
  user: User;
  /** get, list, watch, create, …; the method in lower case for paths that are no resources. */
  verb: string;
  path: string;
  /** Absent for paths that are no resources. */
  resource?: {
    group: string;
    version: string;
    /** Plural, with the subresource if there is one: `jobs/status`. */
    resource: string;
    /** Of a namespace itself: its own name, as in Kubernetes. */
    namespace: string | undefined;
    /** Also of a list or watch that selects by metadata.name. */
    name: string | undefined;
  };
}

/** The reason says which rule allows it, or what could not be found; empty if there is nothing to say. */
export type Decision = { allowed: true; reason?: string } | { allowed: false; reason: string };

export interface Authorizer {
  authorize(attributes: Attributes): Promise<Decision>;
}
