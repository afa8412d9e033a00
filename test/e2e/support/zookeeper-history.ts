import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RealZooKeeper } from '../../support/zookeeper.ts';

/** One change of the tree, as ZooKeeper's transaction log has it. */
export interface ZooKeeperWrite {
  zxid: bigint;
  /** Wall time in milliseconds at which the server took it up. */
  at: number;
  /** The session that wrote it. */
  session: bigint;
  type: 'create' | 'delete' | 'setData';
  path: string;
  /** Undefined for a deletion. */
  data: string | undefined;
}

/** Every change since the server was first started, in order, from its transaction log. */
export async function zookeeperHistory(zookeeper: RealZooKeeper): Promise<ZooKeeperWrite[]> {
  return (await entriesOf(zookeeper)).flatMap(changesOf);
}

/** Ids of the sessions that were closed or have expired. */
export async function endedSessions(zookeeper: RealZooKeeper): Promise<bigint[]> {
  const entries = (await entriesOf(zookeeper)).map(headerOf);
  return entries.filter(({ type }) => type === -11).map(({ session }) => session);
}

const headerBytes = 16;

/** Entries are checksum, length, transaction, end mark; the rest of the file is zeros. */
async function entriesOf(zookeeper: RealZooKeeper): Promise<Buffer[]> {
  const directory = /^dataLogDir=(.+)$/m.exec(await zookeeper.command('conf'))?.[1];
  if (directory === undefined) throw new Error('ZooKeeper does not say where its log is');
  const logs = readdirSync(directory)
    .filter((name) => name.startsWith('log.'))
    .sort((a, b) => Number.parseInt(a.slice(4), 16) - Number.parseInt(b.slice(4), 16));
  const entries: Buffer[] = [];
  for (const log of logs) {
    const file = readFileSync(join(directory, log));
    let offset = headerBytes;
    while (offset + 12 < file.length) {
      const length = file.readInt32BE(offset + 8);
      if (length === 0) break;
      entries.push(file.subarray(offset + 12, offset + 12 + length));
      offset += 12 + length + 1;
    }
  }
  return entries;
}

interface Header {
  session: bigint;
  zxid: bigint;
  at: number;
  type: number;
  body: Reader;
}

function headerOf(entry: Buffer): Header {
  const body = new Reader(entry);
  const session = body.long();
  body.int();
  return { session, zxid: body.long(), at: Number(body.long()), type: body.int(), body };
}

function changesOf(entry: Buffer): ZooKeeperWrite[] {
  const { session, zxid, at, type, body } = headerOf(entry);
  const operations = type === 14 ? body.operations() : [{ type, body }];
  return operations.flatMap((operation) => {
    const change = changeOf(operation);
    return change === undefined ? [] : [{ zxid, at, session, ...change }];
  });
}

/** Codes as on the wire: 1 create, 15 create2, 2 delete, 5 setData. The rest changes no node of ours. */
function changeOf({
  type,
  body,
}: {
  type: number;
  body: Reader;
}): Pick<ZooKeeperWrite, 'type' | 'path' | 'data'> | undefined {
  if (type === 1 || type === 15) return { type: 'create', path: body.text(), data: body.text() };
  if (type === 5) return { type: 'setData', path: body.text(), data: body.text() };
  return type === 2 ? { type: 'delete', path: body.text(), data: undefined } : undefined;
}

/** Reads jute. */
class Reader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int(): number {
    this.#offset += 4;
    return this.#bytes.readInt32BE(this.#offset - 4);
  }

  long(): bigint {
    this.#offset += 8;
    return this.#bytes.readBigInt64BE(this.#offset - 8);
  }

  buffer(): Buffer {
    const length = Math.max(0, this.int());
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }

  text(): string {
    return this.buffer().toString();
  }

  operations(): { type: number; body: Reader }[] {
    return Array.from({ length: this.int() }, () => ({
      type: this.int(),
      body: new Reader(this.buffer()),
    }));
  }
}
