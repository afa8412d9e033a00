import { z } from 'zod';
import { conditionSchema, findCondition } from '../machinery/conditions.ts';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { labelSelectorSchema } from '../machinery/selectors.ts';
import { group, version } from './group.ts';
import { keyedBy } from './list-types.ts';
import type { TemplateSpec } from './template.ts';
import { unobserved } from './unobserved.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

/** On a Task: a member may exist. On a ServerSet: nodes of it may exist. */
export const serverSetFinalizer = 'mesocosm.dev/serverset';

/** On a Task: the ZooKeeper paths where a member of it may exist, parted by spaces. Kept with the finalizer. */
export const publishedPathsAnnotation = 'mesocosm.dev/serverset-paths';

/** On a ServerSet, "true": the members that the brake holds shall go. Removed once they have. */
export const releaseHeldAnnotation = 'mesocosm.dev/release-held';

/**
 * On a ServerSet, an id of the asker's: every member of ours on its paths shall go, and ready tasks get
 * new ones in the same transaction. Removed once that is done.
 */
export const purgeAnnotation = 'mesocosm.dev/purge';

export const serverSetDefaults = { family: 'IPv4', drainSeconds: 5 } as const;

export const serverSetPathSchema = z
  .string()
  .max(512)
  .regex(
    /^(\/[A-Za-z0-9_.:@-]+)+$/,
    'must be an absolute ZooKeeper path such as /aurora/prod/live/web, without a slash at the end',
  )
  .refine(
    (path) => !path.split('/').some((part) => part === '.' || part === '..'),
    'must not contain . or .. as a part',
  )
  .refine(
    (path) => !path.split('/').includes('.mesocosm'),
    'must not lie below .mesocosm, where clusters keep their epochs',
  )
  .describe('ZooKeeper path whose members mirror the ready tasks.');

export const serverSetSpecSchema = z.strictObject({
  zkPath: serverSetPathSchema,
  selector: labelSelectorSchema.describe('Which tasks of the namespace are published.'),
  network: z
    .string()
    .optional()
    .describe(
      'Network whose address is published; absent: the only one of each task, or its agent.',
    ),
  family: z.enum(['IPv4', 'IPv6']).optional().describe('Family that is published; IPv4 if absent.'),
  primaryPort: z.string().min(1).describe('Name of the port that is the serviceEndpoint.'),
  drainSeconds: z
    .number()
    .min(0)
    .max(3600)
    .optional()
    .describe('Time between withdrawing a member and killing its task; 5 if absent.'),
});
export type ServerSetSpec = z.infer<typeof serverSetSpecSchema>;

const serverSetStatusSchema = z.strictObject({
  observedGeneration: z.int().optional().describe('Generation that this status is about.'),
  members: z.int().optional().describe('Members of ours in ZooKeeper.'),
  readyTasks: z.int().optional().describe('Ready tasks that the selector matches.'),
  held: z
    .int()
    .optional()
    .describe('Members of unreachable tasks that stay because too many would go at once.'),
  publishedPaths: z
    .array(z.string())
    .optional()
    .describe('Paths where members of ours may exist; the last one is published on.'),
  lastWriteTime: z.string().optional().describe('When ZooKeeper was last written for this set.'),
  drift: z
    .strictObject({
      mended: z.int().describe('So many such changes were mended since the set exists.'),
      lastTime: z.string().describe('When the last one was mended.'),
      lastPath: z.string().describe('The node that it was made to.'),
      lastChange: z.enum(['Deleted', 'Edited', 'Added']).describe('What somebody had done to it.'),
    })
    .optional()
    .describe('Changes that others made to members of ours, seen and mended; absent: never.'),
  conditions: z
    .array(conditionSchema)
    .meta(keyedBy('type'))
    .optional()
    .describe('Ready, Reconciling, Stalled, Held.'),
});
export type ServerSetStatus = z.infer<typeof serverSetStatusSchema>;

export interface ServerSet extends KubeObject {
  apiVersion: 'mesocosm.dev/v1';
  kind: 'ServerSet';
  spec: ServerSetSpec;
  status?: ServerSetStatus | undefined;
}

/** Ports and networks that a Job's serverSet names must be in its template. */
export function validateServerSetPorts(
  serverSet: { primaryPort: string; network?: string | undefined },
  template: TemplateSpec,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const ports = template.containers.flatMap((container) =>
    (container.ports ?? []).map(({ name }) => name),
  );
  if (!ports.includes(serverSet.primaryPort)) {
    errors.push({
      field: `${path}.primaryPort`,
      message: `Invalid value: "${serverSet.primaryPort}": no port of the template has this name; the ports are ${ports.length === 0 ? 'none' : ports.join(', ')}`,
      reason: 'FieldValueInvalid',
    });
  }
  const networks = (template.networks ?? []).map(({ name }) => name);
  if (serverSet.network !== undefined && !networks.includes(serverSet.network)) {
    errors.push({
      field: `${path}.network`,
      message: `Invalid value: "${serverSet.network}": the template does not join it; it joins ${networks.length === 0 ? 'none' : networks.join(', ')}`,
      reason: 'FieldValueInvalid',
    });
  }
  if (serverSet.network === undefined && networks.length > 1) {
    errors.push({
      field: `${path}.network`,
      message: `Required value: the template joins ${networks.join(', ')}: say whose address is published`,
      reason: 'FieldValueRequired',
    });
  }
  return errors;
}

function withDefaults(serverSet: ServerSet): ServerSet {
  const { spec } = serverSet;
  return {
    ...serverSet,
    status: unobserved(serverSet.status),
    spec: {
      ...spec,
      family: spec.family ?? serverSetDefaults.family,
      drainSeconds: spec.drainSeconds ?? serverSetDefaults.drainSeconds,
    },
  };
}

export const serverSetResource = defineResource<ServerSet>({
  group,
  version,
  kind: 'ServerSet',
  plural: 'serversets',
  shortNames: ['ss'],
  categories: ['all', 'mesocosm'],
  namespaced: true,
  description: 'A ZooKeeper path whose members mirror the ready tasks of a selector.',
  fields: {
    spec: serverSetSpecSchema.describe('Which tasks are published where, and with which address.'),
    status: serverSetStatusSchema.optional().describe('What is published; written by controllers.'),
  },
  subresources: { status: true },
  columns: [
    {
      name: 'Path',
      type: 'string',
      description: 'ZooKeeper path of the members.',
      priority: 0,
      cell: (set) => set.spec.zkPath,
    },
    {
      name: 'Members',
      type: 'string',
      description: 'Members and ready tasks.',
      priority: 0,
      cell: (set) => `${set.status?.members ?? 0}/${set.status?.readyTasks ?? 0}`,
    },
    {
      name: 'Ready',
      type: 'string',
      description: 'Whether the members mirror the ready tasks.',
      priority: 0,
      cell: (set) => findCondition(set.status?.conditions, 'Ready')?.status ?? 'Unknown',
    },
    ageColumn,
    {
      name: 'Network',
      type: 'string',
      description: 'Network whose address is published.',
      priority: 1,
      cell: (set) => set.spec.network ?? '<default>',
    },
    {
      name: 'Port',
      type: 'string',
      description: 'Port that is the serviceEndpoint.',
      priority: 1,
      cell: (set) => set.spec.primaryPort,
    },
    {
      name: 'Held',
      type: 'number',
      description: 'Members of unreachable tasks that the brake keeps.',
      priority: 1,
      cell: (set) => set.status?.held ?? 0,
    },
    {
      name: 'Drift',
      type: 'number',
      description: 'Changes by others to members of ours that were mended.',
      priority: 1,
      cell: (set) => set.status?.drift?.mended ?? 0,
    },
    {
      name: 'Last Write',
      type: 'date',
      description: 'Time since ZooKeeper was last written for the set.',
      priority: 1,
      cell: (set) => set.status?.lastWriteTime ?? null,
    },
  ],
  defaults: withDefaults,
});
