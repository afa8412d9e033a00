/**
 * The kinds that are taken as protobuf. Field numbers are those of the generated.proto files of k8s.io/api
 * and k8s.io/apimachinery; what stands in none of the tables is skipped, as protobuf has it.
 */

export type FieldType =
  | 'text'
  /** A number whose zero means that it is absent… */
  | 'number'
  /** …and a number or boolean that is there even if it is zero. */
  | 'given number'
  | 'given flag'
  /** Base64 in JSON. */
  | 'bytes'
  | 'time'
  | 'precise time'
  /** {string = 1}: a text in JSON. */
  | 'quantity'
  /** {repeated items = 1}: a list in JSON. */
  | 'texts'
  /** A map by texts. */
  | { values: Exclude<FieldType, { values: unknown }> }
  | Message;

export interface Field {
  name: string;
  type: FieldType;
  repeated?: true;
}

/** Fields by number. */
export interface Message {
  fields: Readonly<Record<number, Field>>;
}

const text = (name: string): Field => ({ name, type: 'text' });
const texts = (name: string): Field => ({ name, type: 'text', repeated: true });
const number = (name: string): Field => ({ name, type: 'number' });
const givenNumber = (name: string): Field => ({ name, type: 'given number' });
const givenFlag = (name: string): Field => ({ name, type: 'given flag' });
const time = (name: string): Field => ({ name, type: 'time' });
const preciseTime = (name: string): Field => ({ name, type: 'precise time' });
const textMap = (name: string): Field => ({ name, type: { values: 'text' } });
const byteMap = (name: string): Field => ({ name, type: { values: 'bytes' } });
const quantity = (name: string): Field => ({ name, type: 'quantity' });
const quantities = (name: string): Field => ({ name, type: { values: 'quantity' } });
const extra: Field = { name: 'extra', type: { values: 'texts' } };
const one = (name: string, fields: Message['fields']): Field => ({ name, type: { fields } });
const many = (name: string, fields: Message['fields']): Field => ({
  name,
  type: { fields },
  repeated: true,
});

const metadata = one('metadata', {
  1: text('name'),
  2: text('generateName'),
  3: text('namespace'),
  5: text('uid'),
  6: text('resourceVersion'),
  7: number('generation'),
  8: time('creationTimestamp'),
  9: time('deletionTimestamp'),
  10: givenNumber('deletionGracePeriodSeconds'),
  11: textMap('labels'),
  12: textMap('annotations'),
  13: many('ownerReferences', {
    1: text('kind'),
    3: text('name'),
    4: text('uid'),
    5: text('apiVersion'),
    6: givenFlag('controller'),
    7: givenFlag('blockOwnerDeletion'),
  }),
  14: texts('finalizers'),
});

const objectReference: Message['fields'] = {
  1: text('kind'),
  2: text('namespace'),
  3: text('name'),
  4: text('uid'),
  5: text('apiVersion'),
  6: text('resourceVersion'),
  7: text('fieldPath'),
};

const eventSource: Message['fields'] = { 1: text('component'), 2: text('host') };
const eventSeries: Message['fields'] = { 1: number('count'), 2: preciseTime('lastObservedTime') };

const requirements: Message['fields'] = { 1: text('key'), 2: text('operator'), 3: texts('values') };
const labelSelector: Message['fields'] = {
  1: textMap('matchLabels'),
  2: many('matchExpressions', requirements),
};
const selector = (name: string): Field =>
  one(name, { 1: text('rawSelector'), 2: many('requirements', requirements) });

const core: Readonly<Record<string, Message['fields']>> = {
  'v1/Namespace': {
    1: metadata,
    2: one('spec', { 1: texts('finalizers') }),
    3: one('status', {
      1: text('phase'),
      2: many('conditions', {
        1: text('type'),
        2: text('status'),
        4: time('lastTransitionTime'),
        5: text('reason'),
        6: text('message'),
      }),
    }),
  },
  'v1/ConfigMap': {
    1: metadata,
    2: textMap('data'),
    3: byteMap('binaryData'),
    4: givenFlag('immutable'),
  },
  'v1/Secret': {
    1: metadata,
    2: byteMap('data'),
    3: text('type'),
    4: textMap('stringData'),
    5: givenFlag('immutable'),
  },
  'v1/ServiceAccount': {
    1: metadata,
    2: many('secrets', objectReference),
    3: many('imagePullSecrets', { 1: text('name') }),
    4: givenFlag('automountServiceAccountToken'),
  },
  'v1/Event': {
    1: metadata,
    2: one('involvedObject', objectReference),
    3: text('reason'),
    4: text('message'),
    5: one('source', eventSource),
    6: time('firstTimestamp'),
    7: time('lastTimestamp'),
    8: number('count'),
    9: text('type'),
    10: preciseTime('eventTime'),
    11: one('series', eventSeries),
    12: text('action'),
    13: one('related', objectReference),
    14: text('reportingComponent'),
    15: text('reportingInstance'),
  },
  'events.k8s.io/v1/Event': {
    1: metadata,
    2: preciseTime('eventTime'),
    3: one('series', eventSeries),
    4: text('reportingController'),
    5: text('reportingInstance'),
    6: text('action'),
    7: text('reason'),
    8: one('regarding', objectReference),
    9: one('related', objectReference),
    10: text('note'),
    11: text('type'),
    12: one('deprecatedSource', eventSource),
    13: time('deprecatedFirstTimestamp'),
    14: time('deprecatedLastTimestamp'),
    15: number('deprecatedCount'),
  },
  'coordination.k8s.io/v1/Lease': {
    1: metadata,
    2: one('spec', {
      1: text('holderIdentity'),
      2: givenNumber('leaseDurationSeconds'),
      3: preciseTime('acquireTime'),
      4: preciseTime('renewTime'),
      5: givenNumber('leaseTransitions'),
      6: text('strategy'),
      7: text('preferredHolder'),
    }),
  },
};

const metricTarget = one('target', {
  1: text('type'),
  2: quantity('value'),
  3: quantity('averageValue'),
  4: givenNumber('averageUtilization'),
});
const scalingRules: Message['fields'] = {
  1: text('selectPolicy'),
  2: many('policies', { 1: text('type'), 2: number('value'), 3: number('periodSeconds') }),
  3: givenNumber('stabilizationWindowSeconds'),
  4: quantity('tolerance'),
};
const scaleTarget = one('scaleTargetRef', {
  1: text('kind'),
  2: text('name'),
  3: text('apiVersion'),
});

/** What is not acted on is there too, so that it is refused and not skipped. */
const autoscalers: Readonly<Record<string, Message['fields']>> = {
  'autoscaling/v1/HorizontalPodAutoscaler': {
    1: metadata,
    2: one('spec', {
      1: scaleTarget,
      2: givenNumber('minReplicas'),
      3: number('maxReplicas'),
      4: givenNumber('targetCPUUtilizationPercentage'),
    }),
  },
  'autoscaling/v2/HorizontalPodAutoscaler': {
    1: metadata,
    2: one('spec', {
      1: scaleTarget,
      2: givenNumber('minReplicas'),
      3: number('maxReplicas'),
      4: many('metrics', {
        1: text('type'),
        2: one('object', {}),
        3: one('pods', {}),
        4: one('resource', { 1: text('name'), 2: metricTarget }),
        5: one('external', {}),
        7: one('containerResource', { 1: text('name'), 2: metricTarget, 3: text('container') }),
      }),
      5: one('behavior', { 1: one('scaleUp', scalingRules), 2: one('scaleDown', scalingRules) }),
    }),
  },
};

const limits: Readonly<Record<string, Message['fields']>> = {
  'v1/ResourceQuota': {
    1: metadata,
    2: one('spec', {
      1: quantities('hard'),
      2: texts('scopes'),
      3: one('scopeSelector', {
        1: many('matchExpressions', {
          1: text('scopeName'),
          2: text('operator'),
          3: texts('values'),
        }),
      }),
    }),
    3: one('status', { 1: quantities('hard'), 2: quantities('used') }),
  },
  'v1/LimitRange': {
    1: metadata,
    2: one('spec', {
      1: many('limits', {
        1: text('type'),
        2: quantities('max'),
        3: quantities('min'),
        4: quantities('default'),
        5: quantities('defaultRequest'),
        6: quantities('maxLimitRequestRatio'),
      }),
    }),
  },
};

const rules = many('rules', {
  1: texts('verbs'),
  2: texts('apiGroups'),
  3: texts('resources'),
  4: texts('resourceNames'),
  5: texts('nonResourceURLs'),
});
const binding: Message['fields'] = {
  1: metadata,
  2: many('subjects', {
    1: text('kind'),
    2: text('apiGroup'),
    3: text('name'),
    4: text('namespace'),
  }),
  3: one('roleRef', { 1: text('apiGroup'), 2: text('kind'), 3: text('name') }),
};

const roles: Readonly<Record<string, Message['fields']>> = {
  'rbac.authorization.k8s.io/v1/Role': { 1: metadata, 2: rules },
  'rbac.authorization.k8s.io/v1/ClusterRole': {
    1: metadata,
    2: rules,
    3: one('aggregationRule', { 1: many('clusterRoleSelectors', labelSelector) }),
  },
  'rbac.authorization.k8s.io/v1/RoleBinding': binding,
  'rbac.authorization.k8s.io/v1/ClusterRoleBinding': binding,
};

const resourceAttributes = one('resourceAttributes', {
  1: text('namespace'),
  2: text('verb'),
  3: text('group'),
  4: text('version'),
  5: text('resource'),
  6: text('subresource'),
  7: text('name'),
  8: selector('fieldSelector'),
  9: selector('labelSelector'),
});
const nonResourceAttributes = one('nonResourceAttributes', { 1: text('path'), 2: text('verb') });
const accessReview: Message['fields'] = {
  1: metadata,
  2: one('spec', {
    1: resourceAttributes,
    2: nonResourceAttributes,
    3: text('user'),
    4: texts('groups'),
    5: extra,
    6: text('uid'),
  }),
};

/** What is asked for; the answers are not read. */
const questions: Readonly<Record<string, Message['fields']>> = {
  'authorization.k8s.io/v1/SelfSubjectAccessReview': {
    1: metadata,
    2: one('spec', { 1: resourceAttributes, 2: nonResourceAttributes }),
  },
  'authorization.k8s.io/v1/SelfSubjectRulesReview': {
    1: metadata,
    2: one('spec', { 1: text('namespace') }),
  },
  'authorization.k8s.io/v1/SubjectAccessReview': accessReview,
  'authorization.k8s.io/v1/LocalSubjectAccessReview': accessReview,
  'authentication.k8s.io/v1/SelfSubjectReview': { 1: metadata },
  'authentication.k8s.io/v1/TokenReview': {
    1: metadata,
    2: one('spec', { 1: text('token'), 2: texts('audiences') }),
  },
  'authentication.k8s.io/v1/TokenRequest': {
    1: metadata,
    2: one('spec', {
      1: texts('audiences'),
      3: one('boundObjectRef', {
        1: text('kind'),
        2: text('apiVersion'),
        3: text('name'),
        4: text('uid'),
      }),
      4: givenNumber('expirationSeconds'),
    }),
  },
};

const deleteOptions: Message = {
  fields: {
    1: givenNumber('gracePeriodSeconds'),
    2: one('preconditions', { 1: text('uid'), 2: text('resourceVersion') }),
    3: givenFlag('orphanDependents'),
    4: text('propagationPolicy'),
    5: texts('dryRun'),
  },
};

const kinds: ReadonlyMap<string, Message['fields']> = new Map(
  Object.entries({ ...core, ...limits, ...autoscalers, ...roles, ...questions }),
);

/** The message of a kind, if it is taken as protobuf. Every group version has its own DeleteOptions. */
export function messageOf(apiVersion: string, kind: string): Message | undefined {
  if (kind === 'DeleteOptions') return deleteOptions;
  const fields = kinds.get(`${apiVersion}/${kind}`);
  return fields === undefined ? undefined : { fields };
}
