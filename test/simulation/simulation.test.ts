import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { faultKinds, userKinds } from './actions.ts';
import { regressions } from './regressions.ts';
import { simulate, simulateSeed } from './simulate.ts';

describe('a simulated cluster', () => {
  it('tells the same story for the same seed, and another for another', async () => {
    const [first, second, other] = [
      await simulateSeed(1),
      await simulateSeed(1),
      await simulateSeed(2),
    ];
    expect(second.digest).toBe(first.digest);
    expect(other.digest).not.toBe(first.digest);
  });

  it.each(regressions)('no longer breaks a law: $bug', async ({ plan }) => {
    expect((await simulate(plan)).failure).toBeUndefined();
  });

  it('keeps every law and converges, whatever goes wrong', async () => {
    const { stdout } = await promisify(execFile)('hack/simulate', ['--seeds', '500']).catch(
      (error: unknown) => {
        throw new Error(error instanceof Error && 'stdout' in error ? String(error.stdout) : '');
      },
    );
    expect(stdout).toMatch(/\n500 seeds, 0 failed/);
    for (const kind of [...faultKinds, ...userKinds]) expect(stdout).toContain(kind);
  }, 600_000);
});
