import { z } from 'zod';
import { ApiError } from '../../machinery/errors.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Changes } from '../../storage/cache.ts';
import type { Revision } from '../../storage/storage.ts';
import { clusterRoleResource, rbacResources, roleResource } from '../../v1/rbac.ts';
import { rbacGroup, roleRefSchema, subjectSchema } from '../../v1/rbac-bindings.ts';
import { policyRuleSchema } from '../../v1/rbac-rules.ts';
import type { ItemCache } from '../registry/item.ts';
import { resourcePrefix } from '../registry/keys.ts';
import { Policy } from './policy.ts';
import { ruleOf } from './rules.ts';

/** How long a decision waits for the cache to take in a change that this server has confirmed. */
const catchUpMs = 2_000;

const storedRole = z.object({ rules: z.array(policyRuleSchema).optional() });
const storedBinding = z.object({
  subjects: z.array(subjectSchema).optional(),
  roleRef: roleRefSchema,
});

interface Ref {
  namespace: string | undefined;
  name: string;
}

/** One kind, and what the policy does with its objects. */
interface Source {
  prefix: string;
  read: () => Changes<KubeObject>;
  /** false: it is not what its kind should be. */
  put: (ref: Ref, object: KubeObject) => boolean;
  remove: (ref: Ref) => void;
  removeAll: () => void;
}

/**
 * The policy that is stored, as the watch cache has it: brought up to date, change by change, when
 * somebody asks. What cannot be read allows nothing. It is never older than a change that this server has
 * acknowledged; of changes through other servers it learns when the cache does, as in Kubernetes.
 */
export class CachedPolicy {
  readonly #cache: ItemCache;
  readonly #onUnreadable: (key: string, why: string) => void;
  readonly #policy = new Policy();
  readonly #sources: readonly Source[];
  /** The newest change of ours; the policy must be no older. */
  #written: Revision = 0;

  constructor(options: {
    cache: ItemCache;
    /** Told of a role or binding that is left out because it is not one. */
    onUnreadable: (key: string, why: string) => void;
  }) {
    this.#cache = options.cache;
    this.#onUnreadable = options.onUnreadable;
    this.#sources = rbacResources.map((resource) => this.#source(resource));
  }

  /** Of a write of this server: decisions from now on must know it. */
  wrote(key: string, revision: Revision): void {
    if (key.startsWith(`/${rbacGroup}/`)) this.#written = Math.max(this.#written, revision);
  }

  /** Throws 503 if the rules cannot be known at present. */
  async current(): Promise<Policy> {
    return this.fresh() ?? (await this.#caughtUp());
  }

  /** As `current`, without waiting; undefined: there is something to wait for. */
  fresh(): Policy | undefined {
    if (this.#cache.revision < Math.max(this.#written, 1)) return undefined;
    for (const source of this.#sources) this.#take(source);
    return this.#policy;
  }

  async #caughtUp(): Promise<Policy> {
    const wanted = Math.max(this.#written, 1);
    const reached = await this.#cache.waitFor(wanted, catchUpMs);
    const policy = reached ? this.fresh() : undefined;
    if (policy !== undefined) return policy;
    throw new ApiError(
      'ServiceUnavailable',
      'who may do what is not known at present: the store cannot be followed',
      { details: { retryAfterSeconds: 1 } },
    );
  }

  #take({ prefix, read, put, remove, removeAll }: Source): void {
    const changes = read();
    const take = (key: string, object: KubeObject): void => {
      const ref = refOf(prefix, key);
      if (put(ref, object)) return;
      remove(ref);
      this.#onUnreadable(key, 'it does not have the form of its kind');
    };
    if (changes.whole) {
      removeAll();
      for (const { key, object } of changes.entries) take(key, object);
      return;
    }
    for (const event of changes.events) {
      if (event.type === 'put') take(event.key, event.entry.object);
      else remove(refOf(prefix, event.key));
      if (event.type === 'broken') this.#onUnreadable(event.key, event.error.message);
    }
  }

  #source(resource: (typeof rbacResources)[number]): Source {
    const prefix = resourcePrefix(resource);
    const policy = this.#policy;
    const { namespaced } = resource;
    const common = { prefix, read: this.#cache.reader(prefix) };
    if (resource === roleResource || resource === clusterRoleResource) {
      return {
        ...common,
        put: (ref, object) => {
          const role = storedRole.safeParse(object);
          if (role.success) policy.putRole(ref, (role.data.rules ?? []).map(ruleOf));
          return role.success;
        },
        remove: (ref) => policy.removeRole(ref),
        removeAll: () => policy.clearRoles({ namespaced }),
      };
    }
    return {
      ...common,
      put: (ref, object) => {
        const binding = storedBinding.safeParse(object);
        if (!binding.success) return false;
        const { subjects = [], roleRef } = binding.data;
        policy.putGrant({ ...ref, subjects, roleRef });
        return true;
      },
      remove: (ref) => policy.removeGrant(ref),
      removeAll: () => policy.clearGrants({ namespaced }),
    };
  }
}

/** The key decides what an object is about, whatever it says of itself. */
function refOf(prefix: string, key: string): Ref {
  const rest = key.slice(prefix.length);
  const slash = rest.indexOf('/');
  if (slash < 0) return { namespace: undefined, name: rest };
  return { namespace: rest.slice(0, slash), name: rest.slice(slash + 1) };
}
