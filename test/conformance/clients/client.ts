import { z } from 'zod';

/** An object of the API as a client shows it. */
export const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
});
export type ClientObject = z.infer<typeof objectSchema>;

/** What a client saw of one change. */
export interface Seen {
  type: string;
  name: string;
}

export interface Watching {
  /** The next change, however long it takes. */
  next: () => Promise<Seen>;
  stop: () => Promise<void>;
}

/** A refusal as the client tells it: its text has the reason or the message of the Status. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/**
 * A client that somebody else wrote, with one identity. What it cannot do it does not have: the matrix
 * shows a dash. Objects are Jobs of namespace `default` unless they say otherwise.
 */
export interface Client {
  /** `v1.32.0+mesocosm…`: what it read of /version. */
  serverVersion?: () => Promise<string>;
  /** Plural names of the resources that it discovered. */
  resources?: () => Promise<string[]>;
  create?: (object: ClientObject) => Promise<unknown>;
  get?: (name: string) => Promise<ClientObject>;
  /** Names, in pages of `pageSize` if given. */
  list?: (options: { labels?: string; pageSize?: number }) => Promise<string[]>;
  /** Cells of a server-side table, a row an object. */
  table?: () => Promise<string[]>;
  replace?: (object: ClientObject) => Promise<unknown>;
  mergePatch?: (name: string, patch: object) => Promise<unknown>;
  jsonPatch?: (name: string, patch: object) => Promise<unknown>;
  /** Of a ConfigMap: custom kinds take no strategic merge patch. */
  strategicPatch?: (configMap: string, patch: object) => Promise<unknown>;
  apply?: (object: ClientObject, force?: boolean) => Promise<unknown>;
  /** The way of `kubectl apply` without --server-side. */
  applyClientSide?: (object: ClientObject) => Promise<unknown>;
  dryRun?: (object: ClientObject) => Promise<unknown>;
  scale?: (name: string, replicas: number) => Promise<unknown>;
  remove?: (name: string) => Promise<unknown>;
  removeAll?: (labels: string) => Promise<unknown>;
  watch?: () => Promise<Watching>;
  /** Resolves once the condition Ready is True. */
  untilReady?: (name: string) => Promise<unknown>;
  whoAmI?: () => Promise<string>;
  mayI?: (verb: string, resource: string) => Promise<boolean>;
  createSecret?: (name: string, data: Record<string, string>) => Promise<unknown>;
  close: () => Promise<void>;
}
