import { Etcd3, type IWatchResponse } from 'etcd3';
import { z } from 'zod';
import { eventually } from '../../support/cluster.ts';

const objectSchema = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});

/** One write to etcd, as etcd remembers it. */
export interface EtcdWrite {
  revision: number;
  /** `<group>/<plural>/[<namespace>/]<name>`. */
  key: string;
  /** Of the key: 1 for its creation, 0 for its deletion. */
  version: number;
  createRevision: number;
  /** Undefined for a deletion. */
  object: z.infer<typeof objectSchema> | undefined;
}

const prefix = '/mesocosm/registry/';
const marker = '/mesocosm-test/history';

/** Every write since the beginning that has not been compacted: the store's own record, not a sample. */
export async function etcdHistory(endpoint: string): Promise<EtcdWrite[]> {
  const etcd = new Etcd3({ hosts: endpoint });
  try {
    const end = `${Date.now()} ${Math.random()}`;
    await etcd.put(marker).value(end);
    const watcher = await etcd.watch().prefix('/mesocosm').startRevision('1').create();
    return await new Promise<EtcdWrite[]>((resolve, reject) => {
      const writes: EtcdWrite[] = [];
      watcher.on('error', reject);
      watcher.on('data', ({ events, canceled, compact_revision }: IWatchResponse) => {
        if (canceled) reject(new Error(`etcd has compacted revision ${compact_revision}`));
        for (const { type, kv } of events) {
          const key = kv.key.toString();
          if (key === marker && kv.value.toString() === end) resolve(writes);
          if (!key.startsWith(prefix)) continue;
          writes.push({
            revision: Number(kv.mod_revision),
            key: key.slice(prefix.length),
            version: Number(kv.version),
            createRevision: Number(kv.create_revision),
            object:
              type === 'Delete' ? undefined : objectSchema.parse(JSON.parse(kv.value.toString())),
          });
        }
      });
    });
  } finally {
    etcd.close();
  }
}

/** Written all the time by whoever leads, or lives: a lease, and an agent once in a while. */
export function isRoutine({ key }: EtcdWrite): boolean {
  return key.startsWith('coordination.k8s.io/leases/') || key.startsWith('mesocosm.dev/agents/');
}

const quietMs = 1_500;

/** Waits until nothing but the routine has been written for a while; answers the last revision. */
export async function quiet(endpoint: string): Promise<number> {
  let last = -1;
  let since = 0;
  await eventually('etcd is quiet', async () => {
    const revision =
      (await etcdHistory(endpoint)).findLast((write) => !isRoutine(write))?.revision ?? 0;
    if (revision !== last) [last, since] = [revision, performance.now()];
    return performance.now() - since > quietMs;
  });
  return last;
}

/** The object as etcd has it at this moment, whatever any API server thinks. */
export async function storedObject(endpoint: string, key: string): Promise<unknown> {
  const etcd = new Etcd3({ hosts: endpoint });
  try {
    const text = await etcd.get(prefix + key).string();
    return text === null ? undefined : JSON.parse(text);
  } finally {
    etcd.close();
  }
}
