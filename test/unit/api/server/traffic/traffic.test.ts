import { beforeEach, describe, expect, it } from 'vitest';
import { Metrics } from '../../../../../api/machinery/metrics.ts';
import { statusAnswer } from '../../../../../api/server/dispatcher.ts';
import { parsePath } from '../../../../../api/server/request-info.ts';
import {
  valueAnswer,
  type Answer,
  type ServerRequest,
  type WatchAnswer,
} from '../../../../../api/server/request.ts';
import { levelOf } from '../../../../../api/server/traffic/levels.ts';
import { Traffic } from '../../../../../api/server/traffic/traffic.ts';
import { verbOf } from '../../../../../api/server/verbs.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';
import { erased } from '../../../../../api/server/registry/erase.ts';
import { widgetResource } from '../support/widget.ts';

const widgets = '/apis/conformance.dev/v1/namespaces/default/widgets';
const lease = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/leader';

function requestOf(method: string, path: string, user?: string): ServerRequest {
  const [bare = '', query] = path.split('?');
  return {
    method,
    path: bare,
    query: new URLSearchParams(query),
    user: user === undefined ? undefined : { name: user, groups: [] },
    accept: undefined,
    contentType: undefined,
    ifNoneMatch: undefined,
    userAgent: undefined,
    fence: undefined,
    body: () => undefined,
    signal: new AbortController().signal,
  };
}

let clock: VirtualClock;
let metrics: Metrics;
let answer: (request: ServerRequest) => Answer | Promise<Answer>;
let traffic: Traffic;

beforeEach(() => {
  clock = new VirtualClock();
  metrics = new Metrics();
  answer = () => valueAnswer({});
  const served = {
    resource: erased(widgetResource),
    serves: () => true,
    handle: () => Promise.resolve(valueAnswer({})),
  };
  traffic = new Traffic({
    dispatcher: {
      answer: (request) => Promise.resolve(answer(request)),
      refused: (_request, error) => statusAnswer(error),
    },
    catalog: { find: ({ plural }) => (plural === 'widgets' ? served : undefined) },
    clock,
    metrics,
  });
});

/** The code that was sent, once it has been. */
async function ask(method: string, path: string, user = 'bob'): Promise<number> {
  let code = 0;
  await traffic.pass(requestOf(method, path, user), (sent) => {
    code = sent.code;
    return Promise.resolve();
  });
  return code;
}

describe('the level of a request', () => {
  it.each([
    ['GET', '/readyz', undefined, 'exempt'],
    ['GET', '/livez/ping', undefined, 'exempt'],
    ['GET', '/metrics', 'prometheus', 'exempt'],
    ['GET', '/openapi/v2', 'bob', 'workload'],
    ['GET', lease, 'bob', 'leader-election'],
    ['PUT', lease, 'system:mesocosm-controllers', 'leader-election'],
    ['GET', lease.replace('/leader', ''), 'bob', 'lists'],
    ['GET', widgets, 'system:mesocosm-controllers', 'system'],
    ['GET', widgets, 'system:serviceaccount:default:flux', 'lists'],
    ['GET', widgets, 'system:anonymous', 'lists'],
    ['GET', widgets, 'bob', 'lists'],
    ['DELETE', widgets, 'bob', 'lists'],
    ['GET', `${widgets}?watch=true`, 'bob', 'workload'],
    ['GET', `${widgets}/a`, 'bob', 'workload'],
    ['POST', widgets, 'bob', 'workload'],
  ])('%s %s of %s is %s', (method, path, user, level) => {
    const { path: bare, query } = requestOf(method, path);
    const info = parsePath(bare);
    const verb =
      info?.kind === 'resource' ? verbOf(method, info, query.get('watch') === 'true') : undefined;
    expect(levelOf({ info, verb, user })).toBe(level);
  });
});

describe('a flood of lists', () => {
  it('is bounded, and keeps nobody else waiting', async () => {
    const stuck = new Promise<Answer>(() => undefined);
    let lists = 0;
    answer = ({ method, path, user }) => {
      if (method !== 'GET' || path !== widgets || user?.name !== 'bob') return valueAnswer({});
      lists += 1;
      return stuck;
    };
    const codes: number[] = [];
    for (let count = 0; count < 500; count += 1) {
      void ask('GET', widgets).then((code) => codes.push(code));
    }
    await clock.advance(0);
    // Eight are worked on, 64 of one user wait.
    expect(lists).toBe(8);
    expect(codes).toEqual(new Array(428).fill(429));
    expect(await ask('PUT', lease, 'leader')).toBe(200);
    expect(await ask('GET', widgets, 'system:mesocosm-controllers')).toBe(200);
    expect(await ask('GET', widgets, 'alice')).toBe(200);
    expect(await ask('POST', widgets)).toBe(200);
    expect(await ask('GET', `${widgets}/a`)).toBe(200);
    expect(await ask('GET', '/readyz')).toBe(200);
    await clock.advance(15_001);
    expect(codes).toEqual(new Array(492).fill(429));
    expect(metrics.text()).toContain(
      'apiserver_flowcontrol_rejected_requests_total{priority_level="lists",reason="time-out"} 64\n',
    );
  });

  it('has its seats until the answers are sent', async () => {
    let finish: () => void = () => undefined;
    const sending = new Promise<void>((resolve) => (finish = resolve));
    const slow = Array.from({ length: 8 }, () =>
      traffic.pass(requestOf('GET', widgets, 'bob'), () => sending),
    );
    let ninth = false;
    const last = ask('GET', widgets).then(() => (ninth = true));
    await clock.advance(0);
    expect(ninth).toBe(false);
    finish();
    await Promise.all([...slow, last]);
    expect(ninth).toBe(true);
  });
});

describe('what is refused before it is looked at', () => {
  it('goes through the dispatcher, which writes it down', async () => {
    const refused: string[] = [];
    const bounded = new Traffic({
      dispatcher: {
        answer: () => new Promise(() => undefined),
        refused: ({ path, user }, error) => {
          refused.push(`${user?.name} ${path} ${error.code}`);
          return statusAnswer(error);
        },
      },
      catalog: { find: () => undefined },
      clock,
      metrics,
      streams: { watches: 10, watchesPerUser: 1, sessionsPerUser: 1 },
    });
    const codes: number[] = [];
    for (let count = 0; count < 2; count += 1) {
      void bounded.pass(requestOf('GET', `${widgets}?watch=1`, 'bob'), ({ code, headers }) => {
        expect(headers['Retry-After']).toBe('5');
        codes.push(code);
        return Promise.resolve();
      });
    }
    await clock.advance(0);
    expect(codes).toEqual([429]);
    expect(refused).toEqual([`bob ${widgets} 429`]);
    expect(metrics.text()).toContain(
      'apiserver_flowcontrol_rejected_requests_total{priority_level="workload",reason="concurrency-limit"} 1\n',
    );
  });
});

describe('a watch', () => {
  const frames: WatchAnswer = {
    kind: 'watch',
    code: 200,
    headers: {},
    warnings: [],
    frames: (async function* () {})(),
    event: () => ({ type: 'ADDED', object: {} }),
    line: () => [Buffer.from('x')],
  };

  it('holds no seat once it is open, and is counted while it lasts', async () => {
    answer = ({ query }) => (query.has('watch') ? frames : valueAnswer({}));
    let end: () => void = () => undefined;
    const lasting = new Promise<void>((resolve) => (end = resolve));
    const open = Array.from({ length: 300 }, () =>
      traffic.pass(requestOf('GET', `${widgets}?watch=1`, 'bob'), (sent) => {
        if (sent.kind === 'watch') sent.line({ type: 'BOOKMARK', revision: 1 });
        return lasting;
      }),
    );
    await clock.advance(0);
    const labels =
      'component="apiserver",dry_run="",group="conformance.dev",resource="widgets",scope="namespace",subresource="",verb="WATCH",version="v1"';
    expect(metrics.text()).toContain(`apiserver_longrunning_requests{${labels}} 300\n`);
    const kind = 'group="conformance.dev",kind="Widget",version="v1"';
    expect(metrics.text()).toContain(`apiserver_registered_watchers{${kind}} 300\n`);
    end();
    await Promise.all(open);
    expect(metrics.text()).toContain(`apiserver_longrunning_requests{${labels}} 0\n`);
    expect(metrics.text()).toContain(`apiserver_registered_watchers{${kind}} 0\n`);
    expect(metrics.text()).not.toContain('apiserver_request_duration_seconds_count{component');
  });
});

describe('the metrics of requests', () => {
  it('have Kubernetes’ names and labels, and nothing that a client makes up', async () => {
    await ask('GET', widgets);
    await ask('PATCH', `${widgets}/a/status?dryRun=All`);
    await ask('GET', '/readyz');
    await ask('BREW', `/apis/${'x'.repeat(50)}/v1/things/y`);
    await ask('GET', '/no/such/path');
    const lines = metrics
      .text()
      .split('\n')
      .filter((line) => line.startsWith('apiserver_request_total{'));
    const none = 'component="apiserver",dry_run="",group="",resource="",scope=""';
    const some = 'group="conformance.dev",resource="widgets"';
    expect(lines.map((line) => line.slice('apiserver_request_total{code="200",'.length))).toEqual([
      `component="apiserver",dry_run="",${some},scope="namespace",subresource="",verb="LIST",version="v1"} 1`,
      `component="apiserver",dry_run="All",${some},scope="resource",subresource="status",verb="PATCH",version="v1"} 1`,
      `${none},subresource="/readyz",verb="GET",version=""} 1`,
      `${none},subresource="",verb="other",version=""} 1`,
      `${none},subresource="",verb="GET",version=""} 1`,
    ]);
    expect(metrics.text()).toContain(
      'apiserver_current_inflight_requests{request_kind="mutating"} 0\n',
    );
  });

  it('time a request from its coming to the last byte of its answer', async () => {
    await traffic.pass(requestOf('GET', `${widgets}/a`, 'bob'), async () => {
      await clock.advance(30);
    });
    const bucket = metrics
      .text()
      .split('\n')
      .filter((line) => line.startsWith('apiserver_request_duration_seconds_bucket'))
      .filter((line) => line.endsWith(' 1'))[0];
    expect(bucket).toContain('le="0.05"');
  });

  it('count a client that goes before it is answered', async () => {
    answer = () => {
      throw new Error('the handler broke');
    };
    await expect(ask('GET', `${widgets}/a`)).rejects.toThrow('broke');
    expect(metrics.text()).toContain('apiserver_request_total{code="499"');
    expect(metrics.text()).toContain(
      'apiserver_current_inflight_requests{request_kind="readOnly"} 0\n',
    );
  });
});
