import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readContract } from './reads.ts';
import { ruleContract } from './rules.ts';
import type { StorageUnderTest } from './support.ts';
import { watchContract } from './watches.ts';
import { writeContract } from './writes.ts';

/** What every driver must do; see api/storage/storage.ts. */
export function storageContract(name: string, open: () => Promise<StorageUnderTest>): void {
  describe(`Storage contract on ${name}`, () => {
    let current: StorageUnderTest;
    const under = (): StorageUnderTest => current;

    beforeEach(async () => {
      current = await open();
    });
    afterEach(async () => {
      await current.close();
    });

    writeContract(under);
    readContract(under);
    watchContract(under);
    ruleContract(under);

    it('has no problems to report that would stop it', async () => {
      const problems = await current.storage.problems();
      expect(problems.filter(({ severity }) => severity === 'fatal')).toEqual([]);
    });
  });
}
