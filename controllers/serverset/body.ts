import { z } from 'zod';
import type { Endpoints } from './member.ts';

/** Keys of a member's metadata. Finagle keeps them as a map of strings and gives them no meaning. */
export const metadataKeys = {
  cluster: 'mesocosm.dev/cluster',
  /** uid of the Task. */
  task: 'mesocosm.dev/task',
  /** When a member became STOPPING, RFC 3339: the drain goes on where a former leader began it. */
  stoppingSince: 'mesocosm.dev/stopping-since',
} as const;

export interface MemberContent {
  clusterName: string;
  taskUid: string;
  endpoints: Endpoints;
  /** Written only if the set covers one Job. */
  shard: number | undefined;
  /** RFC 3339: the member is STOPPING since then; ALIVE if absent. */
  stoppingSince?: string | undefined;
}

/** The bytes of a member, in the order of the fields that Finagle writes. */
export function memberBody(content: MemberContent): string {
  const { clusterName, taskUid, endpoints, shard, stoppingSince } = content;
  return JSON.stringify({
    serviceEndpoint: { host: endpoints.service.host, port: endpoints.service.port },
    additionalEndpoints: endpoints.additional,
    status: stoppingSince === undefined ? 'ALIVE' : 'STOPPING',
    ...(shard === undefined ? {} : { shard }),
    metadata: {
      [metadataKeys.cluster]: clusterName,
      [metadataKeys.task]: taskUid,
      ...(stoppingSince === undefined ? {} : { [metadataKeys.stoppingSince]: stoppingSince }),
    },
  });
}

/** What a node says about itself, if it is a member of ours. */
export interface OurMember {
  taskUid: string;
  isStopping: boolean;
  stoppingSince: string | undefined;
}

const recognisable = z.object({
  status: z.string().optional().catch(undefined),
  metadata: z.record(z.string(), z.unknown()),
});

/** Undefined for whatever is not evidently ours: another cluster's, Aurora's, no JSON. */
export function recognise(body: string, clusterName: string): OurMember | undefined {
  const parsed = recognisable.safeParse(parseJson(body));
  if (!parsed.success) return undefined;
  const { status, metadata } = parsed.data;
  const taskUid = metadata[metadataKeys.task];
  if (metadata[metadataKeys.cluster] !== clusterName) return undefined;
  if (typeof taskUid !== 'string' || taskUid === '') return undefined;
  const since = metadata[metadataKeys.stoppingSince];
  return {
    taskUid,
    isStopping: status === 'STOPPING',
    stoppingSince: typeof since === 'string' ? since : undefined,
  };
}

/** Undefined if it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const memberPrefix = 'member_';

/** What a sequential member is created as. */
export function memberPrefixOf(path: string): string {
  return `${path}/${memberPrefix}`;
}

/** `singleton_candidate_*`, `vector_*` and all else are not even read. */
export function isMemberName(name: string): boolean {
  return name.startsWith(memberPrefix);
}
