import { afterAll, beforeAll, beforeEach, describe, onTestFinished } from 'vitest';
import type { ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import { describeNodes } from './contract-nodes.ts';
import { describeSessions } from './contract-sessions.ts';
import { nothing, type ContractSubject, type ZooKeeperHarness } from './contract-subject.ts';

/** What every ZooKeeperClient does, whoever implements it. */
export function describeZooKeeperContract(
  implementation: string,
  start: () => Promise<ZooKeeperHarness>,
): void {
  describe(`ZooKeeper client (${implementation})`, () => {
    let harness: ZooKeeperHarness;
    let client: ZooKeeperClient;
    let tests = 0;
    const subject: ContractSubject = {
      get harness() {
        return harness;
      },
      get client() {
        return client;
      },
      get root() {
        return `/test-${tests}`;
      },
      connected: async (options = {}) => {
        const opened = harness.open(options);
        onTestFinished(() => opened.close());
        await opened.whenConnected();
        return opened;
      },
    };

    beforeAll(async () => {
      harness = await start();
    });
    afterAll(() => harness.stop());
    beforeEach(async () => {
      client = await subject.connected();
      tests += 1;
      await client.create(subject.root, nothing);
    });

    describeNodes(subject);
    describeSessions(subject);
  });
}
