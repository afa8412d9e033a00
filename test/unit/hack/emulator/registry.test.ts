import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fileRegistry } from '../../../../hack/emulator/master/registry.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-registry-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

test('what one master writes the next one reads, change by change', () => {
  const path = join(directory, 'deep/registry.jsonl');
  const [one, two] = [fileRegistry(path), fileRegistry(path)];
  expect(two.read()).toMatchObject({ gone: [], maintenance: { schedule: {}, down: [] } });
  one.write({ admit: 'S0', agent: { hostname: 'ä.test' } });
  one.write({ admit: 'S1', agent: { hostname: 'b.test' } });
  one.write({ unreachable: 'S1', since: 5 });
  expect([...two.read().admitted.keys()]).toEqual(['S0', 'S1']);
  expect(two.read().unreachable.get('S1')).toBe(5);
  two.write({ reachable: 'S1' });
  two.write({ dismiss: 'S0' });
  two.write({ set: { gone: ['S0'] } });
  for (const registry of [one, two, fileRegistry(path)]) {
    const { admitted, unreachable, gone, deactivated } = registry.read();
    expect([...admitted]).toEqual([['S1', { hostname: 'b.test' }]]);
    expect([unreachable.size, gone, deactivated]).toEqual([0, ['S0'], []]);
  }
});
