import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { resources } from '../../api/v1/resources.ts';
import { kubectlVersions, type Kubectl } from './support/kubectl.ts';
import { administrator } from './support/people.ts';
import { startServer, type RunningServer } from './support/server.ts';

const all = await kubectlVersions();
/** The oldest and the newest at hand: what lies between has been seen to do as the newest does. */
const versions = all.filter((_each, index) => index === 0 || index === all.length - 1);

const objectSchema = z.object({
  metadata: z.object({
    resourceVersion: z.string(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    managedFields: z.array(
      z.object({
        manager: z.string(),
        operation: z.string(),
        time: z.string(),
        subresource: z.string().optional(),
        fieldsV1: z.record(z.string(), z.unknown()),
      }),
    ),
  }),
  spec: z.object({
    replicas: z.number(),
    template: z.object({
      spec: z.object({
        containers: z.array(
          z.object({
            name: z.string(),
            env: z.array(z.object({ name: z.string(), value: z.string() })).optional(),
          }),
        ),
      }),
    }),
  }),
});

function job(
  name: string,
  options: { replicas?: number; labels?: string; env?: string } = {},
): string {
  return `
apiVersion: mesocosm.dev/v1
kind: Job
metadata: {name: ${name}, labels: {${options.labels ?? 'app: web'}}}
spec:
${options.replicas === undefined ? '' : `  replicas: ${options.replicas}`}
  template:
    spec:
      containers:
      - name: main
        script: sleep 1000
        env: [${options.env ?? ''}]
        resources: {requests: {cpu: 100m, memory: 64Mi}}
`;
}

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

  async function stored(name: string): Promise<z.infer<typeof objectSchema>> {
    const answer = await running.server
      .transport({ name: 'reader', groups: ['system:masters'] })
      .request({
        method: 'GET',
        path: `/apis/mesocosm.dev/v1/namespaces/default/jobs/${name}`,
      });
    return objectSchema.parse(answer.body);
  }

  async function managers(name: string): Promise<string[]> {
    const { metadata } = await stored(name);
    return metadata.managedFields.map(({ manager, operation, subresource }) =>
      [manager, operation, subresource ?? ''].join(' ').trim(),
    );
  }

  async function written(text: string): Promise<string> {
    return kubectl.file('job.yaml', text);
  }

  const onServer = ['apply', '--server-side', '-f'];
  const onClient = ['apply', '-f'];

  it('applies on the server, and a second time without a change', async () => {
    const path = await written(job('own', { replicas: 2 }));
    const said = 'job.mesocosm.dev/own serverside-applied\n';
    expect(await kubectl.run(...onServer, path)).toBe(said);
    const before = await stored('own');
    expect(await kubectl.run(...onServer, path)).toBe(said);
    expect(await stored('own')).toEqual(before);
    expect(await managers('own')).toEqual(['kubectl Apply']);
    expect((await kubectl.try(['diff', '--server-side', '-f', path])).code).toBe(0);
  });

  it('removes what the file no longer says, and leaves what somebody else set', async () => {
    await kubectl.run('label', 'job', 'own', 'team=blue');
    await kubectl.run(...onServer, await written(job('own', { labels: 'tier: front' })));
    const { metadata, spec } = await stored('own');
    expect(metadata.labels).toEqual({ tier: 'front', team: 'blue' });
    // Nobody asks for a number any more: the default is back.
    expect(spec.replicas).toBe(1);
  });

  it('names who set a field otherwise, and takes it when told to', async () => {
    await kubectl.run('scale', 'job', 'own', '--replicas=5');
    const path = await written(job('own', { replicas: 3 }));
    const refused = await kubectl.try([...onServer, path]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /Apply failed with 1 conflict: conflict with "kubectl[^"]*" with subresource "scale" using mesocosm\.dev\/v1: \.spec\.replicas/,
    );
    expect((await stored('own')).spec.replicas).toBe(5);
    await kubectl.run(...onServer, path, '--force-conflicts');
    expect((await stored('own')).spec.replicas).toBe(3);
    expect((await managers('own')).filter((each) => each.endsWith('scale'))).toEqual([]);
  });

  it('merges the variables of one container from two managers', async () => {
    const one = await kubectl.file('one.yaml', job('shared', { env: '{name: A, value: "1"}' }));
    const two = await kubectl.file('two.yaml', job('shared', { env: '{name: B, value: "2"}' }));
    await kubectl.run(...onServer, one, '--field-manager=one');
    await kubectl.run(...onServer, two, '--field-manager=two');
    const env = (await stored('shared')).spec.template.spec.containers[0]?.env;
    expect(env).toEqual([
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ]);
  });

  it('rehearses on the server', async () => {
    const path = await written(job('rehearsed', { replicas: 2 }));
    expect(await kubectl.run(...onServer, path, '--dry-run=server')).toMatch(/serverside-applied/);
    expect((await kubectl.try(['get', 'job', 'rehearsed'])).code).toBe(1);
  });

  it('goes from apply on the client to apply on the server', async () => {
    await kubectl.run(
      ...onClient,
      await written(job('moved', { replicas: 2, labels: 'a: one, b: one' })),
    );
    expect(await managers('moved')).toEqual(['kubectl-client-side-apply Update']);
    // What the client applied before is no conflict, even with another value.
    await kubectl.run(
      ...onServer,
      await written(job('moved', { replicas: 4, labels: 'a: two, b: one' })),
    );
    expect(await stored('moved')).toMatchObject({
      metadata: { labels: { a: 'two', b: 'one' } },
      spec: { replicas: 4 },
    });
    await kubectl.run(...onServer, await written(job('moved', { replicas: 4, labels: 'a: two' })));
    // kubectl moves the ownership since 1.26; an older one leaves what its other half once set.
    const left = minor >= 26 ? { a: 'two' } : { a: 'two', b: 'one' };
    expect((await stored('moved')).metadata.labels).toEqual(left);
  });

  it('lets both kinds of apply and diff follow each other in any order', async () => {
    const ways = [onClient, onServer, onServer, onClient, onClient, onServer];
    for (const [index, way] of ways.entries()) {
      const path = await written(job('both', { replicas: index + 2, labels: `turn: "${index}"` }));
      const server = way === onServer ? ['--server-side'] : [];
      expect((await kubectl.try(['diff', ...server, '-f', path])).code).toBe(1);
      await kubectl.run(...way, path);
      const { metadata, spec } = await stored('both');
      expect([index, spec.replicas, metadata.labels]).toEqual([
        index,
        index + 2,
        { turn: String(index) },
      ]);
      expect((await kubectl.try(['diff', ...server, '-f', path])).code).toBe(0);
      // Old ones show as a difference that the other way would make another manager.
      const other = way === onServer ? [] : ['--server-side'];
      const otherWay = await kubectl.try(['diff', ...other, '-f', path]);
      if (minor >= 21) expect(otherWay.code).toBe(0);
      else expect(otherWay.stdout).not.toMatch(/^[-+] +(?:replicas|turn):/m);
    }
  });

  it('shows managers only to those that ask', async () => {
    const text = await kubectl.run('get', 'job', 'own', '-o', 'yaml');
    expect(text.includes('managedFields')).toBe(minor < 21);
  });
});
