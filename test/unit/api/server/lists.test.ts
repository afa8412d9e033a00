import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, startHarness, textAt, widget, widgets, type Harness } from './support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness();
  for (let index = 0; index < 7; index += 1) {
    const labels = { parity: index % 2 === 0 ? 'even' : 'odd' };
    await api.send('POST', widgets, { body: widget(`w${index}`, undefined, { labels }) });
  }
});
afterEach(() => api.stop());

const names = (body: unknown): unknown[] =>
  (at(body, 'items') as unknown[]).map((item) => at(item, 'metadata.name'));

async function pages(
  query: Record<string, string>,
): Promise<{ names: unknown[]; bodies: unknown[] }> {
  const bodies: unknown[] = [];
  let token = '';
  do {
    const answer = await api.send('GET', widgets, {
      query: { ...query, ...(token === '' ? {} : { continue: token }) },
    });
    expect(answer.code, JSON.stringify(answer.body)).toBe(200);
    bodies.push(answer.body);
    token = textAt(answer.body, 'metadata.continue');
  } while (token !== '');
  return { names: bodies.flatMap(names), bodies };
}

describe('a list in pages', () => {
  it('is the list as of its first page, whatever happens in between', async () => {
    const first = await api.send('GET', widgets, { query: { limit: '3' } });
    expect(at(first.body, 'metadata.remainingItemCount')).toBe(4);
    await api.send('POST', widgets, { body: widget('w3a') });
    await api.send('DELETE', `${widgets}/w5`);
    const token = String(at(first.body, 'metadata.continue'));
    const second = await api.send('GET', widgets, { query: { limit: '3', continue: token } });
    expect([...names(first.body), ...names(second.body)]).toEqual([
      'w0',
      'w1',
      'w2',
      'w3',
      'w4',
      'w5',
    ]);
    expect(at(second.body, 'metadata.resourceVersion')).toBe(
      at(first.body, 'metadata.resourceVersion'),
    );
    expect(at(second.body, 'metadata.remainingItemCount')).toBe(1);
  });

  it.each(['1', '2', '3', '7', '8'])('of %s has everything once', async (limit) => {
    expect((await pages({ limit })).names).toEqual(['w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6']);
    const odd = await pages({ limit, labelSelector: 'parity=odd' });
    expect(odd.names).toEqual(['w1', 'w3', 'w5']);
    expect(at(odd.bodies[0], 'metadata.remainingItemCount')).toBeUndefined();
  });

  it('also has everything once after every page met a change', async () => {
    const seen: unknown[] = [];
    let token = '';
    do {
      const answer = await api.send('GET', widgets, {
        query: {
          limit: '2',
          labelSelector: 'parity=odd',
          ...(token === '' ? {} : { continue: token }),
        },
      });
      seen.push(...names(answer.body));
      token = textAt(answer.body, 'metadata.continue');
      await api.send('POST', widgets, { body: widget(`x${seen.length}`) });
    } while (token !== '');
    expect(seen).toEqual(['w1', 'w3', 'w5']);
  });

  it('expires with its history, and offers the inconsistent rest', async () => {
    const first = await api.send('GET', widgets, { query: { limit: '3' } });
    await api.send('POST', widgets, { body: widget('w9') });
    await api.storage.compact(await api.storage.head());
    const token = String(at(first.body, 'metadata.continue'));
    const expired = await api.send('GET', widgets, { query: { limit: '3', continue: token } });
    expect(expired).toMatchObject({ code: 410, body: { reason: 'Expired' } });
    const rest = await api.send('GET', widgets, {
      query: { continue: String(at(expired.body, 'metadata.continue')) },
    });
    expect(names(rest.body)).toEqual(['w3', 'w4', 'w5', 'w6', 'w9']);
  });

  it.each([
    'abc',
    Buffer.from('{"v":"meta.k8s.io/v1","rv":1,"start":"../../x"}\n{').toString('base64url'),
  ])('refuses the token %s', async (token) => {
    expect((await api.send('GET', widgets, { query: { continue: token } })).code).toBe(400);
  });
});

describe('a list by version', () => {
  it('is the past with Exact, and at least as new without', async () => {
    const before = String(at((await api.send('GET', widgets)).body, 'metadata.resourceVersion'));
    await api.send('DELETE', `${widgets}/w0`);
    const exact = { resourceVersion: before, resourceVersionMatch: 'Exact' };
    expect(names((await api.send('GET', widgets, { query: exact })).body)).toHaveLength(7);
    const newer = { resourceVersion: before };
    expect(names((await api.send('GET', widgets, { query: newer })).body)).toHaveLength(6);
    const limited = { resourceVersion: before, limit: '10' };
    expect(names((await api.send('GET', widgets, { query: limited })).body)).toHaveLength(7);
  });

  it.each([
    [{ resourceVersionMatch: 'Exact' }, 422],
    [{ resourceVersion: '0', resourceVersionMatch: 'Exact' }, 422],
    [{ resourceVersion: '5', resourceVersionMatch: 'Frob' }, 422],
    [{ resourceVersion: 'x' }, 400],
    [{ limit: 'x' }, 400],
    [{ fieldSelector: 'spec.color=red' }, 400],
    [{ labelSelector: 'a in (b' }, 400],
    [{ labelSelector: '-bad=1' }, 400],
    [{ labelSelector: `a=${' '.repeat(60_000)}(` }, 400],
    [{ labelSelector: 'a,'.repeat(300) }, 400],
  ] as [Record<string, string>, number][])('refuses %o with %d', async (query, code) => {
    const started = process.cpuUsage();
    expect((await api.send('GET', widgets, { query })).code).toBe(code);
    expect(process.cpuUsage(started).user).toBeLessThan(2_000_000);
  });
});

describe('tables', () => {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';

  it('print ages from dates, and carry as much of each object as was asked for', async () => {
    const plain = await api.send('GET', widgets, { accept, query: { limit: '1' } });
    expect(at(plain.body, 'kind')).toBe('Table');
    expect(at(plain.body, 'columnDefinitions.0.name')).toBe('Name');
    expect(at(plain.body, 'rows.0.cells')).toEqual([
      'w0',
      1,
      null,
      null,
      expect.stringMatching(/^\d+s$/),
    ]);
    expect(at(plain.body, 'rows.0.object.kind')).toBe('PartialObjectMetadata');
    expect(at(plain.body, 'metadata.remainingItemCount')).toBe(6);
    const whole = await api.send('GET', `${widgets}/w0`, {
      accept,
      query: { includeObject: 'Object' },
    });
    expect(at(whole.body, 'rows.0.object.spec.color')).toBe('red');
    const none = await api.send('GET', `${widgets}/w0`, {
      accept,
      query: { includeObject: 'None' },
    });
    expect(at(none.body, 'rows.0.object')).toBeNull();
  });

  it('print the scale of an object', async () => {
    const scale = await api.send('GET', `${widgets}/w0/scale`, { accept });
    expect(at(scale.body, 'columnDefinitions.0.name')).toBe('Name');
    expect(at(scale.body, 'rows.0.cells')).toEqual(['w0', 1, 0, expect.stringMatching(/^\d+s$/)]);
  });

  it('are refused when nothing acceptable is asked for', async () => {
    const answer = await api.send('GET', widgets, { accept: 'text/html' });
    expect(answer).toMatchObject({ code: 406, body: { reason: 'NotAcceptable' } });
  });
});
