import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, startHarness, type Harness } from './support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness();
  await post('networks', 'dev-net', { staticRanges: ['10.0.0.16/28', 'fd00::/64'] });
  await post('networks', 'four', { ipFamilies: ['IPv4'], staticRanges: ['10.0.0.0/8'] });
  await post('networks', 'pool', {});
});
afterEach(() => api.stop());

const root = '/apis/mesocosm.dev/v1';
const jobs = `${root}/namespaces/default/jobs`;
const merge = { contentType: 'application/merge-patch+json' };

async function post(plural: string, name: string, spec: object): Promise<void> {
  const kind = plural === 'networks' ? 'Network' : 'AddressClaim';
  const body = { apiVersion: 'mesocosm.dev/v1', kind, metadata: { name }, spec };
  expect((await api.send('POST', `${root}/${plural}`, { body })).code).toBe(201);
}

const container = {
  name: 'main',
  script: 'sleep 1',
  resources: { requests: { cpu: '100m', memory: '32Mi' } },
};

function job(networks: object[], name = 'web'): object {
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name },
    spec: { template: { spec: { networks, containers: [container] } } },
  };
}

describe('a static address', () => {
  it.each([
    ['dev-net', '10.0.0.40', 'ips[0]', /not in the staticRanges of the Network "dev-net"/],
    ['pool', '10.0.0.20', 'ips[0]', /has no staticRanges/],
    ['four', 'fd00::1', 'ips[0]', /assigns IPv4 only/],
  ])('of %s is refused where it may not be asked for: %s', async (name, ip, field, message) => {
    const answer = await api.send('POST', jobs, { body: job([{ name, ips: [ip] }]) });
    expect(answer.code).toBe(422);
    const cause = at(answer.body, 'details.causes.0') as { field: string; message: string };
    expect(cause.field).toBe(`spec.template.spec.networks[0].${field}`);
    expect(cause.message).toMatch(message);
  });

  it('is admitted inside the ranges, and its Job may change after they did', async () => {
    const body = job([{ name: 'dev-net', ips: ['10.0.0.20', 'fd00::20'] }]);
    expect((await api.send('POST', jobs, { body })).code).toBe(201);
    const moved = { spec: { staticRanges: ['10.9.0.0/24'] } };
    await api.send('PATCH', `${root}/networks/dev-net`, { body: moved, ...merge });
    const paused = await api.send('PATCH', `${jobs}/web`, {
      body: { spec: { replicas: 0 } },
      ...merge,
    });
    expect(paused.code).toBe(200);
    const networks = [{ name: 'dev-net', ips: ['10.0.0.21'] }];
    const another = { spec: { template: { spec: { networks } } } };
    const changed = await api.send('PATCH', `${jobs}/web`, { body: another, ...merge });
    expect(changed.code).toBe(422);
  });

  it('that another Job holds is a warning which says who, not a refusal', async () => {
    const holder = {
      namespace: 'prod',
      job: 'db',
      jobUid: 'u1',
      instance: 0,
      task: 'db-0-a',
      taskUid: 'u2',
    };
    await post('addressclaims', 'dev-net-0a000014', {
      network: 'dev-net',
      ip: '10.0.0.20',
      holder,
    });
    const body = job([{ name: 'dev-net', ips: ['10.0.0.20'] }]);
    const answer = await api.send('POST', jobs, { body });
    expect(answer.code).toBe(201);
    expect(answer.warnings.join()).toMatch(
      /10\.0\.0\.20 on dev-net is held by Job prod\/db \(task db-0-a\)/,
    );
  });

  it('has one claim, whichever of several API servers is asked for it', async () => {
    const other = await startHarness({ storage: api.storage });
    try {
      const holder = { namespace: 'prod', job: 'db', jobUid: 'u1', instance: 0 };
      for (let round = 1; round < 30; round += 1) {
        const ip = `10.0.0.${round}`;
        const metadata = { name: `dev-net-0a0000${round.toString(16).padStart(2, '0')}` };
        const create = (server: Harness, task: string) =>
          server.send('POST', `${root}/addressclaims`, {
            body: {
              apiVersion: 'mesocosm.dev/v1',
              kind: 'AddressClaim',
              metadata,
              spec: { network: 'dev-net', ip, holder: { ...holder, task, taskUid: task } },
            },
          });
        const [first, second] = await Promise.all([create(api, 'a'), create(other, 'b')]);
        expect([first.code, second.code].sort()).toEqual([201, 409]);
        const winner = first.code === 201 ? 'a' : 'b';
        for (const server of [api, other]) {
          const { body } = await server.send('GET', `${root}/addressclaims/${metadata.name}`);
          expect(at(body, 'spec.holder.task')).toBe(winner);
        }
      }
    } finally {
      await other.server.stop();
    }
  });

  it('is not shared by way of the scale subresource', async () => {
    const body = job([{ name: 'dev-net', ips: ['10.0.0.20'] }]);
    expect((await api.send('POST', jobs, { body })).code).toBe(201);
    const scaled = await api.send('PATCH', `${jobs}/web/scale`, {
      body: { spec: { replicas: 2 } },
      ...merge,
    });
    expect(scaled.code).toBe(422);
    expect(at((await api.send('GET', `${jobs}/web`)).body, 'spec.replicas')).toBe(1);
  });
});
