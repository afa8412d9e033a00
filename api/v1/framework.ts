import { z } from 'zod';
import { conditionSchema, isConditionTrue } from '../machinery/conditions.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { frameworkDriftReport } from './drift.ts';
import { group, version } from './group.ts';
import { keyedBy } from './list-types.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

/** Decisions of an operator, set as annotations and removed once they have been carried out. */
export const frameworkAnnotations = {
  /** The framework id to go on with. */
  adopt: 'mesocosm.dev/adopt-framework',
  /** "true": all tasks of the framework are dead; forget its id and register anew. */
  reset: 'mesocosm.dev/reset-confirm-all-dead',
  /** "true": the tasks that ReplacingHeld is about shall be replaced. */
  releaseReplacing: 'mesocosm.dev/release-replacing',
  /** The epoch in ZooKeeper, greater than that of the leader, which the leader shall write over. */
  takeEpoch: 'mesocosm.dev/take-epoch',
} as const;

/** Type of the condition that keeps the job loop from replacing tasks. */
export const replacingHeld = 'ReplacingHeld';

/**
 * Registering: no id yet. Subscribed: connected to the master. Disconnected: on the way back.
 * Blocked: subscribing could cost tasks; an operator has to decide.
 */
export const frameworkStates = ['Registering', 'Subscribed', 'Disconnected', 'Blocked'] as const;
export type FrameworkState = (typeof frameworkStates)[number];

const frameworkSpecSchema = z.strictObject({});

const frameworkStatusSchema = z.strictObject({
  id: z.string().optional().describe('FrameworkID; tasks survive us under it.'),
  state: z.enum(frameworkStates).describe('Whether we are subscribed to a master.'),
  reason: z.string().optional().describe('One CamelCase word on why it is not Subscribed.'),
  message: z.string().optional().describe('The reason in a sentence, and what to do.'),
  masterId: z.string().optional().describe('Master that we subscribed to last.'),
  masterAddress: z.string().optional().describe('Its host and port.'),
  subscribedTime: z.string().optional().describe('When that was.'),
  buried: z
    .array(z.string())
    .optional()
    .describe('Mesos tasks that operators have declared dead, newest last; killed if they return.'),
  conditions: z
    .array(conditionSchema)
    .meta(keyedBy('type'))
    .optional()
    .describe('Ready, Reconciling, Stalled, ReplacingHeld.'),
});
export type FrameworkStatus = z.infer<typeof frameworkStatusSchema>;

export interface Framework extends KubeObject {
  apiVersion: 'mesocosm.dev/v1';
  kind: 'Framework';
  spec: z.infer<typeof frameworkSpecSchema>;
  status?: FrameworkStatus | undefined;
}

export function isReplacingHeld(framework: Framework | undefined): boolean {
  return isConditionTrue(framework?.status?.conditions, replacingHeld);
}

export const frameworkResource = defineResource<Framework>({
  group,
  version,
  kind: 'Framework',
  plural: 'frameworks',
  shortNames: ['fw'],
  categories: ['mesocosm'],
  namespaced: false,
  description: 'Our registration with Mesos; one object, named after the cluster.',
  fields: {
    spec: frameworkSpecSchema.describe('Empty: it is configured where cosmd runs.'),
    status: frameworkStatusSchema.optional().describe('Whether and as whom we are registered.'),
  },
  subresources: { status: true, reports: [frameworkDriftReport] },
  columns: [
    {
      name: 'State',
      type: 'string',
      description: 'Whether we are subscribed to a master.',
      priority: 0,
      cell: ({ status }) =>
        status?.reason === undefined || status.state === 'Subscribed'
          ? (status?.state ?? 'Registering')
          : `${status.state}:${status.reason}`,
    },
    {
      name: 'ID',
      type: 'string',
      description: 'FrameworkID that Mesos gave it.',
      priority: 0,
      cell: ({ status }) => status?.id ?? '<none>',
    },
    {
      name: 'Master',
      type: 'string',
      description: 'Master that we subscribed to last.',
      priority: 0,
      cell: ({ status }) => status?.masterAddress ?? '<none>',
    },
    {
      name: 'Replacing',
      type: 'string',
      description: 'Held if so many tasks were lost at once that none is replaced.',
      priority: 0,
      cell: (framework) => (isReplacingHeld(framework) ? 'Held' : 'Yes'),
    },
    ageColumn,
    {
      name: 'Message',
      type: 'string',
      description: 'Why it is in this state, and what to do.',
      priority: 1,
      cell: ({ status }) => status?.message ?? '',
    },
  ],
});
