import { z } from 'zod';
import { clusterName, serverSetRoot } from '../cosmd.ts';
import type { StoreWrite } from '../store.ts';
import { prefixes } from '../views.ts';
import type { Transaction, Tree } from '../zookeeper/tree.ts';
import type { LawBook, Truth } from './law-book.ts';

export const leaseKey = `${prefixes.leases}mesocosm-system/cosmd`;
export const epochPath = `${serverSetRoot}/.mesocosm/${clusterName}/epoch`;

const epochSchema = z.looseObject({ epoch: z.number(), holder: z.string() });

/** A deposed leader writes nothing to the store or to ZooKeeper. */
export class LeaderLaws {
  readonly #book: LawBook;
  readonly #truth: Truth;

  constructor(book: LawBook, truth: Truth) {
    this.#book = book;
    this.#truth = truth;
  }

  wrote({ writer, key }: StoreWrite): void {
    if (writer === 'user' || key === leaseKey || key.startsWith(prefixes.namespaces)) return;
    if (this.#truth.holder() === writer) return;
    this.#book.broken(
      'a deposed leader writes nothing to the store',
      `${writer} wrote ${key} while ${this.#truth.holder() ?? 'nobody'} led`,
    );
  }

  /** `writer`: whose session it was; undefined for people. */
  committed(writer: string | undefined, { changes }: Transaction, before: Pick<Tree, 'get'>): void {
    if (writer === undefined) return;
    const stored = epochOf(before.get(epochPath)?.data);
    const claimed = changes.get(epochPath);
    if (claimed !== undefined) {
      const next = epochOf(claimed.data);
      if (stored !== undefined && (next?.epoch ?? 0) < stored.epoch) {
        this.#book.broken('the epoch only grows', `${writer} put it back to ${next?.epoch ?? 0}`);
      }
      return;
    }
    const paths = [...changes.keys()].filter((path) => !isAbove(path, epochPath));
    if (paths.length === 0 || stored?.holder === writer) return;
    this.#book.broken(
      'a deposed leader writes nothing to ZooKeeper',
      `${writer} wrote ${paths.join(', ')} in the epoch of ${stored?.holder ?? 'nobody'}`,
    );
  }
}

function epochOf(data: Buffer | undefined): z.infer<typeof epochSchema> | undefined {
  if (data === undefined || data.length === 0) return undefined;
  return epochSchema.parse(JSON.parse(data.toString('utf8')));
}

function isAbove(path: string, other: string): boolean {
  return path === '/' || other.startsWith(`${path}/`);
}
