import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { healthOf } from '../../../../api/machinery/kstatus.ts';
import { jobResource, type Job } from '../../../../api/v1/job.ts';
import { taskResource } from '../../../../api/v1/task.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { boundTask } from '../../../support/tasks.ts';

const text = `
apiVersion: mesocosm.dev/v1
kind: Job
metadata: {name: web, namespace: prod}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: web}}
    spec:
      networks:
      - {name: dev-net, labels: {tier: web}}
      - {name: data-net, ipFamilies: [IPv4, IPv6]}
      containers:
      - name: web
        script: exec ./web
        resources:
          requests: {cpu: 200m, memory: 64Mi, ephemeral-storage: 100Mi}
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {port: http, path: /healthz}}
      constraints:
      - {attribute: hostname, operator: Unique}
  serverSet: {zkPath: /aurora/prod/live/web, network: dev-net, primaryPort: http}
`;

/** What the Job above is refused for after a change of its text: `field: message` each. */
function refusals(from: string, to: string): string[] {
  expect(text).toContain(from);
  const result = jobResource.parse(parse(text.replace(from, to)));
  const errors = result.ok ? jobResource.validate(result.value, {}) : result.errors;
  return errors.map(({ field, message }) => `${field}: ${message}`);
}

const container = 'spec.template.spec.containers[0]';

describe('a Job', () => {
  it('is accepted as the design shows it', () => {
    expect(refusals('web', 'web')).toEqual([]);
  });

  it('is not done before a controller has said so', () => {
    const parsed = jobResource.parse(parse(text));
    const job = parsed.ok ? jobResource.defaults(parsed.value) : undefined;
    const created = { ...job, metadata: { ...job?.metadata, generation: 1 } };
    expect(healthOf(created).status).toBe('InProgress');
    const acted = { ...job!, status: { observedGeneration: 1 } };
    expect(jobResource.defaults(acted).status).toEqual({ observedGeneration: 1 });
  });

  it.each([
    ['replicas: 3', 'replicas: many', 'spec.replicas: Invalid value: "many": must be a number'],
    [
      'replicas: 3',
      'replica: 3',
      'spec.replica: unknown field "spec.replica": remove it or check its spelling',
    ],
    [
      'replicas: 3',
      'replicas: -1',
      'spec.replicas: Invalid value: -1: Too small: expected number to be >=0',
    ],
    [
      'name: web, namespace',
      `name: ${'w'.repeat(47)}, namespace`,
      /^metadata\.name: .*at most 46 characters/,
    ],
    [
      'cpu: 200m',
      'cpu: lots',
      `${container}.resources.requests.cpu: Invalid value: "lots": must be a quantity such as 200m or 1.5`,
    ],
    [
      'cpu: 200m',
      'cpu: 1M',
      `${container}.resources.requests.cpu: Invalid value: "1M": must be between 10m and 4096`,
    ],
    [
      'cpu: 200m, ',
      '',
      `${container}.resources.requests.cpu: Required value: say how much cpu is reserved, e.g. 100m`,
    ],
    // What is not there cannot be quoted.
    [
      '{name: http, containerPort: 8080}',
      '{containerPort: 8080}',
      /ports\[0\]\.name: Required value: must be a string$/,
    ],
    [
      'requests: {',
      'limits: {ephemeral-storage: 1Gi}\n          requests: {',
      `${container}.resources.limits.ephemeral-storage: Invalid value: "1Gi": Mesos limits disk to the request; raise the request instead`,
    ],
    [
      '{name: http, containerPort: 8080}',
      '{name: http, containerPort: 8080}, {name: admin, containerPort: 8080}',
      `${container}.ports[1].containerPort: Duplicate value: "TCP 8080": give each its own`,
    ],
    [
      '{port: http, path',
      '{port: htp, path',
      `${container}.readinessProbe.httpGet.port: Invalid value: "htp": no port has this name; the ports are http`,
    ],
    [
      'name: data-net',
      'name: dev-net',
      'spec.template.spec.networks[1].name: Duplicate value: "dev-net": give each its own',
    ],
    [
      'script: exec ./web',
      'args: [x]',
      `${container}: Required value: one of script or command must say what to run`,
    ],
    [
      'primaryPort: http',
      'primaryPort: htp',
      'spec.serverSet.primaryPort: Invalid value: "htp": no port of the template has this name; the ports are http',
    ],
    [
      'network: dev-net, p',
      'p',
      'spec.serverSet.network: Required value: the template joins dev-net, data-net: say whose address is published',
    ],
    ['/aurora/prod/live/web', 'aurora/web', /^spec\.serverSet\.zkPath: .*absolute ZooKeeper path/],
    [
      'operator: Unique',
      'operator: MaxPerDomain',
      'spec.template.spec.constraints[0].max: Required value: MaxPerDomain needs max',
    ],
    [
      'operator: Unique',
      'operator: Near',
      /^spec\.template\.spec\.constraints\[0\]\.operator: Unsupported value: "Near": supported values: "Equals"/,
    ],
    ['exec ./web', 'x'.repeat(130 * 1024), /^spec\.template: Too long: \d+ bytes, at most 131072/],
  ])('with %j as %.40j is refused by field, reason and mend', (from, to, expected) => {
    const found = refusals(from, to);
    expect(
      found.some((words) =>
        typeof expected === 'string' ? words === expected : expected.test(words),
      ),
      found.join('\n'),
    ).toBe(true);
  });

  it('gets job-wide defaults and leaves the template as submitted', () => {
    const result = jobResource.parse(parse(text.replace('  replicas: 3\n', '')));
    if (!result.ok) throw new Error('refused');
    const job: Job = jobResource.defaults(result.value);
    expect(job.spec.replicas).toBe(1);
    expect(job.spec.updateStrategy).toEqual({ maxUnavailable: 1, minReadySeconds: 0 });
    expect(job.spec.template).toEqual(result.value.spec.template);
  });
});

describe('a Task', () => {
  it('shows the defaults that it is launched with', () => {
    const task = boundTask({
      spec: {
        containers: [
          { name: 'web', script: 'x', resources: { requests: { cpu: 1, memory: '64Mi' } } },
        ],
      },
    });
    expect(taskResource.defaults(task).spec.containers[0]?.resources?.limits).toEqual({
      memory: '64Mi',
    });
    expect(taskResource.defaults(task).spec.terminationGracePeriodSeconds).toBe(30);
  });

  it('does not change but for stop, which is set once', () => {
    const old = boundTask();
    const refused = (task: typeof old, before = old): string[] =>
      taskResource.validate(task, { old: before }).map(({ field }) => field);
    const stopped = boundTask({ spec: { stop: { reason: 'ScaleDown' } } });
    expect(refused(stopped)).toEqual([]);
    expect(refused(boundTask({ spec: { instance: 1 } }))).toEqual(['spec']);
    expect(refused(old, stopped)).toEqual(['spec.stop']);
    expect(refused(boundTask({ spec: { stop: { reason: 'Update' } } }), stopped)).toEqual([
      'spec.stop',
    ]);
  });
});

describe('every kind', () => {
  it.each(resources.map((resource) => [resource.gvk.kind, resource] as const))(
    '%s publishes a structural schema in which every node has a type',
    (_kind, resource) => {
      const untyped: string[] = [];
      const visit = (node: unknown, path: string): void => {
        if (typeof node !== 'object' || node === null) return;
        const schema = node as typeof resource.schema;
        if (
          schema.type === undefined &&
          schema['x-kubernetes-int-or-string'] !== true &&
          Object.keys(schema).length > 0
        )
          untyped.push(path);
        for (const forbidden of ['$ref', 'anyOf', 'oneOf', 'const', '$schema'])
          if (forbidden in schema) untyped.push(`${path} has ${forbidden}`);
        for (const [name, child] of Object.entries(schema.properties ?? {}))
          visit(child, `${path}.${name}`);
        visit(schema.items, `${path}[]`);
        if (typeof schema.additionalProperties === 'object')
          visit(schema.additionalProperties, `${path}{}`);
      };
      visit(resource.schema, resource.gvk.kind);
      expect(untyped).toEqual([]);
    },
  );
});
