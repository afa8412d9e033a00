import { createClient } from '../../../../api/client/resource-client.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { seededRandom } from '../../../../api/machinery/random.ts';
import { createApiServer } from '../../../../api/server/server.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { namespaceResource } from '../../../../api/v1/core.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { taskResource } from '../../../../api/v1/task.ts';
import { SimulatedCluster } from '../../../../hack/emulator/cluster.ts';
import { inMemoryTransport } from '../../../../hack/emulator/transport.ts';
import { silent } from '../runtime/api.ts';
import { draftTask, offerNetworks, startScheduler, tasksOf } from './harness.ts';

const clock = systemClock();
const random = seededRandom(1);
const storage = new MemoryStorage({ clock });
const server = createApiServer({
  storage,
  clock,
  random,
  resources,
  logger: silent,
  version: '0',
  serverSetRoots: [],
});
await server.start();
const transport = server.transport({ name: 't', groups: ['system:masters'] });
const client = createClient(transport);
await client
  .of(namespaceResource)
  .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'prod' } });
await offerNetworks(client, 'dev-net');
const cluster = new SimulatedCluster({ clock, random, agents: 100 });
cluster.start();
let launches = 0;
const inner = inMemoryTransport(cluster);
const mesos = {
  subscribe: async (c: never, s: AbortSignal) => {
    const sub = await inner.subscribe(c, s);
    return {
      streamId: sub.streamId,
      master: sub.master,
      events: sub.events,
      close: () => sub.close(),
      call: (x: { type?: string }) => {
        if (x.type === 'ACCEPT') launches++;
        return sub.call(x as never);
      },
    };
  },
};
const running = startScheduler({
  api: { clock, random, storage, server, transport, client } as never,
  mesos: mesos as never,
});
await new Promise((r) => setTimeout(r, 1500));
const n = Number(process.argv[2] ?? 2000);
const began = performance.now();
const tasks = client.of(taskResource);
let next = 0;
await Promise.all(
  Array.from({ length: 32 }, async () => {
    while (next < n) {
      const i = next++;
      await tasks.create(draftTask(`web-${i}-abc`, { instance: i }));
    }
  }),
);
console.log('created', Math.round(performance.now() - began));
for (;;) {
  await new Promise((r) => setTimeout(r, 100));
  const all = [...(await tasksOf(client)).values()];
  const up = all.filter((t) => t.status?.phase === 'Running').length;
  if (up === n) break;
  if (performance.now() - began > 60000) {
    console.log('stuck', up);
    break;
  }
}
console.log(
  'running',
  Math.round(performance.now() - began),
  'ms',
  'accepts',
  launches,
  'writes/task',
  (Number((await tasks.list({ namespace: 'prod', limit: 1 })).resourceVersion) / n).toFixed(2),
);
const revs = [...(await tasksOf(client)).values()];
console.log(revs.length);
await running.stop();
cluster.stop();
await server.stop();
process.exit(0);
