import type { MultiOperation } from '../../../proto/zookeeper/client.ts';
import { isMemberPath, memberFacts, type MemberFacts } from '../views.ts';
import type { Transaction, Tree } from '../zookeeper/tree.ts';
import { parentOf } from '../../../proto/zookeeper/paths.ts';
import type { LawBook } from './law-book.ts';
import type { TaskLaws } from './task-laws.ts';

/** Laws about the members in ZooKeeper. */
export class MemberLaws {
  readonly #book: LawBook;
  readonly #tasks: TaskLaws;

  constructor(book: LawBook, tasks: TaskLaws) {
    this.#book = book;
    this.#tasks = tasks;
  }

  /**
   * `process` has decided on these operations. `seen`: the revisions that it may have decided on, a
   * moment ago and now.
   */
  left(
    process: string,
    operations: readonly MultiOperation[],
    seen: { from: number; to: number },
  ): void {
    for (const operation of operations) {
      if (operation.type !== 'create' && operation.type !== 'setData') continue;
      const member = memberFacts(operation.data);
      if (member?.status !== 'ALIVE') continue;
      if (this.#wasReady(member, seen)) continue;
      this.#book.broken(
        'no write makes or keeps ALIVE a member whose task was not ready',
        `${process} writes ${operation.path} for ${member.task}, having seen revision ${seen.to}`,
      );
    }
  }

  #wasReady({ task }: MemberFacts, { from, to }: { from: number; to: number }): boolean {
    for (let revision = to; revision >= from; revision -= 1) {
      if (this.#tasks.wasPublishable(task, revision)) return true;
    }
    return false;
  }

  committed({ changes }: Transaction, before: Pick<Tree, 'get'>): void {
    const touched = new Set([...changes.keys()].filter(isMemberPath).map(parentOf));
    for (const path of touched) this.#oneAShard(path, changes, before);
  }

  #oneAShard(path: string, changes: Transaction['changes'], before: Pick<Tree, 'get'>): void {
    const get = (of: string) => (changes.has(of) ? changes.get(of) : before.get(of));
    const byShard = new Map<number, string>();
    for (const name of get(path)?.children ?? []) {
      const node = get(`${path}/${name}`);
      const member = node === undefined ? undefined : memberFacts(node.data);
      if (member?.status !== 'ALIVE' || member.shard === undefined) continue;
      const other = byShard.get(member.shard);
      if (other !== undefined) {
        this.#book.broken(
          'at most one published member a path and shard',
          `${path}: ${other} and ${name} are shard ${member.shard}`,
        );
      }
      byShard.set(member.shard, name);
    }
  }
}
