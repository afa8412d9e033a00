import { expect } from 'vitest';
import type { ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import type { ErrorCode, Outcome } from '../../../proto/zookeeper/errors.ts';

/** One ZooKeeper, real or simulated, and the means to disturb its clients. */
export interface ZooKeeperHarness {
  /** A client with a session of its own. */
  open(options?: { chroot?: string }): ZooKeeperClient;
  /** Breaks the client's connection; it may come back at once. */
  cut(client: ZooKeeperClient): void;
  /** Breaks the client's connection and keeps it away until `admit`. */
  keepAway(client: ZooKeeperClient): void;
  admit(client: ZooKeeperClient): void;
  /** Keeps the client away until the server has expired its session, then admits it. */
  expire(client: ZooKeeperClient): Promise<void>;
  stop(): Promise<void>;
}

/** What each test of the contract works on; fresh for each of them. */
export interface ContractSubject {
  readonly harness: ZooKeeperHarness;
  readonly client: ZooKeeperClient;
  /** A node of the test's own. */
  readonly root: string;
  /** A further client, connected; it is closed after the test. */
  connected(options?: { chroot?: string }): Promise<ZooKeeperClient>;
}

export const nothing = Buffer.alloc(0);

export function failsWith(
  promise: Promise<unknown>,
  code: ErrorCode,
  outcome: Outcome,
): Promise<void> {
  return expect(promise).rejects.toMatchObject({ code, outcome });
}
