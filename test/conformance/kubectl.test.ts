import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../api/client/resource-client.ts';
import { jobResource } from '../../api/v1/job.ts';
import { resources } from '../../api/v1/resources.ts';
import { kubectlVersions, type Kubectl } from './support/kubectl.ts';
import { administrator } from './support/people.ts';
import { startServer, type RunningServer } from './support/server.ts';

const versions = await kubectlVersions();

const network = `
apiVersion: mesocosm.dev/v1
kind: Network
metadata: {name: dev-net}
spec: {ipFamilies: [IPv4]}
`;

function job(name: string, replicas: number, extra = ''): string {
  return `
apiVersion: mesocosm.dev/v1
kind: Job
metadata:
  name: ${name}
  creationTimestamp: null
spec:
  replicas: ${replicas}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      networks: [{name: dev-net}]
      containers:
      - name: main
        script: sleep 1000
        resources: {requests: {cpu: 100m, memory: 64Mi}}
${extra}`;
}

it('finds Debian 1.20, which hack/test puts there', () => {
  expect(versions.map(({ minor }) => minor)).toContain(20);
});

describe.each(versions)('kubectl 1.$minor', ({ file, minor }) => {
  let running: RunningServer;
  let kubectl: Kubectl;

  beforeAll(async () => {
    running = await startServer(resources);
    kubectl = administrator(file, running);
  });
  afterAll(async () => {
    await running.stop();
    expect(running.complaints).toEqual([]);
  });

  /** What a controller would write. */
  async function setReady(name: string, status: 'True' | 'False'): Promise<void> {
    const controller = { name: 'controller', groups: ['system:masters'] };
    const jobs = createClient(running.server.transport(controller)).of(jobResource);
    const stored = await jobs.get({ namespace: 'default', name });
    const condition = {
      type: 'Ready',
      status,
      reason: 'Counted',
      message: 'as many as there should be',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    } as const;
    await jobs.patch(
      { namespace: 'default', name },
      {
        status: {
          // kubectl waits for what is said of the newest spec.
          observedGeneration: stored.metadata.generation,
          replicas: 3,
          conditions: [condition],
        },
      },
      { type: 'merge', subresource: 'status' },
    );
  }

  it('tells versions and kinds', async () => {
    expect(await kubectl.run('version')).toMatch(/Server Version/);
    const kinds = await kubectl.run('api-resources');
    expect(kinds).toMatch(/^jobs +mj +mesocosm\.dev\/v1 +true +Job$/m);
    expect(kinds).toMatch(/^namespaces +ns +v1 +false +Namespace$/m);
    expect(kinds).toMatch(/^leases +coordination\.k8s\.io\/v1 +true +Lease$/m);
    expect(await kubectl.run('api-versions')).toContain('mesocosm.dev/v1');
  });

  it('explains fields from the schema', async () => {
    const text = await kubectl.run('explain', 'jobs.spec.template.spec.networks');
    expect(text).toMatch(/portMappings/);
    expect(text).toMatch(/Labels passed to the CNI plugin/);
    expect(await kubectl.run('explain', 'job', '--recursive')).toMatch(/readinessProbe/);
    const probe = 'job.spec.template.spec.containers.readinessProbe';
    const words = (await kubectl.run('explain', probe)).replace(/\s+/g, ' ');
    expect(words).toContain('Mesos connects to 127.0.0.1');
    expect(words).toContain('inside the network namespace of the task');
    expect(await kubectl.run('explain', 'job.metadata.labels')).toMatch(
      /Labels that selectors match/,
    );
  });

  it('creates, and applies twice without a change', async () => {
    const networks = await kubectl.file('network.yaml', network);
    expect(await kubectl.run('create', '-f', networks)).toBe(
      'network.mesocosm.dev/dev-net created\n',
    );
    const jobs = await kubectl.file('web.yaml', job('web', 3));
    expect(await kubectl.run('apply', '--dry-run=server', '-f', jobs)).toMatch(
      /created \(server dry run\)/,
    );
    expect((await kubectl.try(['get', 'job', 'web'])).code).toBe(1);
    expect(await kubectl.run('apply', '-f', jobs)).toBe('job.mesocosm.dev/web created\n');
    expect(await kubectl.run('apply', '-f', jobs)).toBe('job.mesocosm.dev/web unchanged\n');
    const again = await kubectl.try(['create', '-f', jobs]);
    expect(again.stderr).toMatch(/AlreadyExists.*jobs.mesocosm.dev "web" already exists/);
  });

  it('shows differences by its exit code and applies them', async () => {
    const same = await kubectl.file('web.yaml', job('web', 3));
    expect((await kubectl.try(['diff', '-f', same])).code).toBe(0);
    const more = await kubectl.file('web.yaml', job('web', 4));
    const difference = await kubectl.try(['diff', '-f', more]);
    expect(difference.code).toBe(1);
    expect(difference.stdout).toMatch(/^\+ +replicas: 4$/m);
    expect(await kubectl.run('apply', '-f', more)).toBe('job.mesocosm.dev/web configured\n');
    expect(await kubectl.run('get', 'job', 'web', '-o', 'jsonpath={.spec.replicas}')).toBe('4');
  });

  it('prints tables, wide tables and every other form', async () => {
    const table = await kubectl.run('get', 'jobs');
    expect(table).toMatch(
      /^NAME +READY +UP-TO-DATE +STATUS +AGE\nweb +0\/4 +0 +\S+ +\d+[sm]\S*\n$/,
    );
    expect(await kubectl.run('get', 'mj', '-o', 'wide')).toMatch(
      /NETWORKS +SERVERSET\n.*dev-net +<none>\n/,
    );
    expect(await kubectl.run('get', 'jobs', '-A')).toMatch(/^NAMESPACE +NAME.*\ndefault +web /);
    expect(await kubectl.run('get', 'job', 'web', '-o', 'yaml')).toMatch(/\n {2}uid: .*\nspec:\n/);
    expect(await kubectl.run('get', 'jobs', '-o', 'name')).toBe('job.mesocosm.dev/web\n');
    const columns = 'custom-columns=N:.metadata.name,G:.metadata.generation';
    expect(await kubectl.run('get', 'jobs', '-o', columns)).toMatch(/^N +G\nweb +2\n$/);
    expect(await kubectl.run('get', 'jobs', '--server-print=false')).toMatch(/NAME +AGE\nweb/);
    expect(await kubectl.run('get', 'jobs,networks')).toMatch(/job.*web[^]*network.*dev-net/);
    expect(await kubectl.run('get', 'all')).toMatch(/job\.mesocosm\.dev\/web/);
    expect(await kubectl.run('get', 'jobs', '--sort-by=.metadata.name')).toMatch(/web/);
    expect((await kubectl.try(['get', 'job', 'nope'])).stderr).toBe(
      'Error from server (NotFound): jobs.mesocosm.dev "nope" not found\n',
    );
  });

  it('labels, annotates and selects', async () => {
    expect(await kubectl.run('label', 'job', 'web', 'tier=front')).toMatch(/web labeled/);
    expect(await kubectl.run('annotate', 'job', 'web', 'note=hello')).toMatch(/web annotate/);
    expect(await kubectl.run('get', 'jobs', '-l', 'tier=front', '-o', 'name')).toMatch(/web/);
    expect(await kubectl.run('get', 'jobs', '-l', 'tier in (back)', '-o', 'name')).toBe('');
    const byName = ['--field-selector', 'metadata.name=web', '-o', 'name'];
    expect(await kubectl.run('get', 'jobs', ...byName)).toMatch(/web/);
    expect(await kubectl.run('get', 'jobs', '-L', 'tier')).toMatch(/TIER\n.*front\n/);
    expect(await kubectl.run('label', 'job', 'web', 'tier-')).toMatch(/web (un)?labeled/);
    expect(await kubectl.run('get', 'jobs', '-l', 'tier', '-o', 'name')).toBe('');
  });

  it('pages through lists', async () => {
    const many = [1, 2, 3, 4].map((index) => job(`page-${index}`, 0)).join('---');
    await kubectl.run('apply', '-f', await kubectl.file('many.yaml', many));
    const names = await kubectl.run('get', 'jobs', '--chunk-size=2', '-o', 'name');
    expect(names.trim().split('\n')).toEqual([
      ...[1, 2, 3, 4].map((index) => `job.mesocosm.dev/page-${index}`),
      'job.mesocosm.dev/web',
    ]);
    const deleted = await kubectl.run('delete', '-f', await kubectl.file('many.yaml', many));
    expect(deleted.match(/deleted/g)).toHaveLength(4);
  });

  it('edits with an editor', async () => {
    const editor = await kubectl.file(
      'editor',
      '#!/bin/sh\nsed -i "s/replicas: 4/replicas: 5/" "$1"\n',
      0o700,
    );
    const edited = await kubectl.try(['edit', 'job', 'web'], { EDITOR: editor });
    expect(edited.stderr).toBe('');
    expect(edited.stdout).toBe('job.mesocosm.dev/web edited\n');
    expect(await kubectl.run('get', 'job', 'web', '-o', 'jsonpath={.spec.replicas}')).toBe('5');
  });

  it('scales through the subresource', async () => {
    expect(await kubectl.run('scale', 'job/web', '--replicas=2')).toBe(
      'job.mesocosm.dev/web scaled\n',
    );
    expect(await kubectl.run('get', 'job', 'web', '-o', 'jsonpath={.spec.replicas}')).toBe('2');
    const wrong = await kubectl.try(['scale', 'job/web', '--current-replicas=7', '--replicas=1']);
    expect(wrong.code).toBe(1);
  });

  it('patches with merge and JSON patches, and is told which there are', async () => {
    await kubectl.run('patch', 'job', 'web', '--type=merge', '-p', '{"spec":{"replicas":6}}');
    const operation = '[{"op":"replace","path":"/spec/replicas","value":3}]';
    await kubectl.run('patch', 'job', 'web', '--type=json', '-p', operation);
    expect(await kubectl.run('get', 'job', 'web', '-o', 'jsonpath={.spec.replicas}')).toBe('3');
    const strategic = await kubectl.try(['patch', 'job', 'web', '-p', '{"spec":{"replicas":1}}']);
    expect(strategic.stderr).toMatch(/accepted media types include: .*merge-patch\+json/);
  });

  it('watches a list and one object', async () => {
    const list = kubectl.start('get', 'jobs', '-w');
    await list.until(/web +0\/3/);
    const one = kubectl.start('get', 'job', 'web', '-w');
    await one.until(/web +0\/3/);
    await kubectl.run('scale', 'job/web', '--replicas=7');
    await list.until(/web +0\/7/);
    await one.until(/web +0\/7/);
    await kubectl.run('apply', '-f', await kubectl.file('other.yaml', job('other', 1)));
    await list.until(/other +0\/1/);
    await list.stop();
    await one.stop();
  });

  it('waits for a condition and for deletion', async () => {
    const waiting = kubectl.start('wait', 'job/web', '--for=condition=Ready', '--timeout=60s');
    await setReady('web', 'False');
    await setReady('web', 'True');
    expect(await waiting.ended()).toBe(0);
    const deletion = kubectl.start('wait', 'job/other', '--for=delete', '--timeout=60s', '-v=6');
    await deletion.untilLogged(/watch=true/);
    await kubectl.run('delete', 'job', 'other');
    expect(await deletion.ended()).toBe(0);
  });

  // kubectl waits for values from 1.23 on.
  const waitForValue = async (): Promise<void> => {
    const waiting = kubectl.start(
      'wait',
      'job/web',
      '--for=jsonpath={.spec.replicas}=9',
      '--timeout=60s',
    );
    await kubectl.run('scale', 'job/web', '--replicas=9');
    expect(await waiting.ended()).toBe(0);
  };
  if (minor >= 23) it('waits for a value', waitForValue);

  it('describes an object with its events', async () => {
    const uid = await kubectl.run('get', 'job', 'web', '-o', 'jsonpath={.metadata.uid}');
    const event = `
apiVersion: v1
kind: Event
metadata: {name: web.1, namespace: default}
involvedObject: {apiVersion: mesocosm.dev/v1, kind: Job, name: web, namespace: default, uid: ${uid}}
reason: Launched
message: three tasks were launched
type: Normal
source: {component: job}
firstTimestamp: "2026-01-01T00:00:00Z"
lastTimestamp: "2026-01-01T00:00:01Z"
count: 1
`;
    await kubectl.run('create', '-f', await kubectl.file('event.yaml', event));
    const text = await kubectl.run('describe', 'job', 'web');
    expect(text).toMatch(/Name: +web\n/);
    expect(text).toMatch(/Launched .*three tasks were launched/);
    expect(await kubectl.run('get', 'events')).toMatch(/Normal +Launched +job\/web/);
    if (minor >= 26) expect(await kubectl.run('events', '--for', 'job/web')).toMatch(/three tasks/);
  });

  it('shows what is wrong with an object, and where', async () => {
    const bad = await kubectl.file('bad.yaml', job('bad', -1, '  bogus: true\n'));
    const unknown = await kubectl.try(['apply', '--validate=false', '-f', bad]);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/unknown field "spec\.bogus"/);
    const validated = await kubectl.try(['apply', '-f', bad]);
    expect(validated.stderr).toMatch(/unknown field "(spec\.)?bogus"/);
    const negative = await kubectl.file('negative.yaml', job('bad', -1));
    const refused = await kubectl.try(['apply', '-f', negative]);
    expect(refused.stderr).toMatch(/The Job "bad" is invalid: (\* )?spec\.replicas: Invalid value/);
    const elsewhere = job('bad', 1).replace('dev-net', 'no-net');
    const missing = await kubectl.try(['apply', '-f', await kubectl.file('net.yaml', elsewhere)]);
    expect(missing.stderr).toMatch(
      /spec\.template\.spec\.networks\[0\]\.name: .*no Network of this name/,
    );
    expect((await kubectl.try(['get', 'job', 'bad'])).code).toBe(1);
  });

  it('keeps namespaces with strategic merge, and ends them', async () => {
    await kubectl.run('create', 'namespace', 'team');
    const declared = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: team, labels: {a: b}}\n';
    const file = await kubectl.file('team.yaml', declared);
    expect(await kubectl.run('apply', '-f', file)).toMatch(/configured/);
    expect(await kubectl.run('get', 'ns', 'team')).toMatch(/^NAME +STATUS +AGE\nteam +Active/);
    await kubectl.run('delete', 'namespace', 'team', '--wait=false');
    expect(await kubectl.run('get', 'ns', 'team')).toMatch(/Terminating/);
    const late = await kubectl.try([
      '-n',
      'team',
      'apply',
      '-f',
      await kubectl.file('late.yaml', job('late', 1)),
    ]);
    expect(late.stderr).toMatch(/because it is being terminated/);
    const nowhere = await kubectl.try([
      '-n',
      'nowhere',
      'create',
      '-f',
      await kubectl.file('late.yaml', job('late', 1)),
    ]);
    expect(nowhere.stderr).toMatch(/namespaces "nowhere" not found/);
    expect((await kubectl.try(['delete', 'namespace', 'default'])).stderr).toMatch(
      /may not be deleted/,
    );
  });

  it('replaces and deletes, and waits until the object is gone', async () => {
    const live = await kubectl.run('get', 'job', 'web', '-o', 'yaml');
    const replaced = await kubectl.file(
      'live.yaml',
      live.replace(/replicas: \d+\n/, 'replicas: 1\n'),
    );
    expect(await kubectl.run('replace', '-f', replaced)).toMatch(/web replaced/);
    expect((await kubectl.try(['replace', '-f', replaced])).stderr).toMatch(
      /the object has been modified/,
    );
    expect(await kubectl.run('delete', 'job', 'web')).toMatch(/"web" deleted/);
    expect((await kubectl.try(['get', 'job', 'web'])).stderr).toMatch(/NotFound/);
    await kubectl.run(
      'apply',
      '-f',
      await kubectl.file('two.yaml', `${job('a', 0)}---${job('b', 0)}`),
    );
    expect(await kubectl.run('delete', 'jobs', '--all')).toMatch(/"a" deleted[^]*"b" deleted/);
  });
});
