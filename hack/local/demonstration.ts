import { execFileSync } from 'node:child_process';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { systemClock } from '../../api/machinery/clock.ts';
import { systemRandom } from '../../api/machinery/random.ts';
import { openZooKeeper } from '../../proto/zookeeper/network-client.ts';
import type { ClusterState } from './cluster.ts';
import { until } from './wait.ts';

export interface Demonstration {
  root: string;
  kubeconfig: string;
  state: ClusterState;
  say: (words: string) => void;
}

const taskListSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), uid: z.string() }),
      spec: z.object({ job: z.string() }),
      status: z
        .object({
          phase: z.string(),
          networks: z
            .array(z.object({ name: z.string(), ips: z.array(z.string()), verdict: z.string() }))
            .optional(),
        })
        .optional(),
    }),
  ),
});
type ShownTask = z.infer<typeof taskListSchema>['items'][number];

const memberSchema = z.object({
  serviceEndpoint: z.object({ host: z.string(), port: z.number() }),
  status: z.literal('ALIVE'),
  metadata: z.record(z.string(), z.string()),
});

/** Applies the samples and shows that all of it is true; throws, saying what is not. */
export async function demonstrate(demonstration: Demonstration): Promise<void> {
  const { root, state, say } = demonstration;
  const cosm = (...args: string[]): string => runCosm(demonstration, args);
  say('cosm apply -f manifests/samples');
  process.stdout.write(cosm('apply', '-f', join(root, 'manifests/samples')));
  for (const job of ['web', 'ledger', 'edge']) {
    say(`cosm wait job/${job} -n prod --for=condition=Ready`);
    process.stdout.write(
      cosm('wait', `job/${job}`, '-n', 'prod', '--for=condition=Ready', '--timeout=120s'),
    );
  }
  say('cosm get jobs -A');
  process.stdout.write(cosm('get', 'jobs', '-A'));
  say('cosm get tasks -A -o wide');
  process.stdout.write(cosm('get', 'tasks', '-A', '-o', 'wide'));
  const { items } = taskListSchema.parse(
    JSON.parse(cosm('get', 'tasks', '-n', 'prod', '-l', 'app=web', '-o', 'json')),
  );
  const tasks = items.filter(({ status }) => status?.phase === 'Running');
  requireAddresses(tasks);
  await showMembers(state.zookeeper, '/mesocosm/prod/web', tasks, say);
  if (state.mode === 'process') await showAnswer(tasks, say);
  else say('simulated networks: nothing answers on the addresses');
  sayHowToGoOn(demonstration);
}

function runCosm({ root, kubeconfig }: Demonstration, args: readonly string[]): string {
  return execFileSync(join(root, '.local/bin/cosm'), args, {
    encoding: 'utf8',
    env: { ...process.env, KUBECONFIG: kubeconfig, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** Every web task must have what it asked for: IPv4 on dev-net, both families on data-net. */
function requireAddresses(tasks: readonly ShownTask[]): void {
  if (tasks.length !== 3)
    throw new Error(`expected 3 running web tasks, there are ${tasks.length}`);
  for (const { metadata, status } of tasks) {
    const ips = (name: string): string[] =>
      status?.networks?.find((one) => one.name === name)?.ips ?? [];
    const data = ips('data-net');
    const complete =
      ips('dev-net').length === 1 && data.length === 2 && data.some((ip) => isIPv6(ip));
    if (!complete)
      throw new Error(
        `task ${metadata.name} lacks an address: ${JSON.stringify(status?.networks)}`,
      );
  }
}

/** Reads the members back from ZooKeeper: each web task once, by its address on dev-net. */
async function showMembers(
  connectString: string,
  path: string,
  tasks: readonly ShownTask[],
  say: (words: string) => void,
): Promise<void> {
  const zookeeper = openZooKeeper({ connectString, clock: systemClock(), random: systemRandom() });
  const expected = new Set(
    tasks.map(({ metadata, status }) => `${metadata.uid} ${status?.networks?.[0]?.ips[0] ?? ''}`),
  );
  let shown: string[] = [];
  try {
    await zookeeper.whenConnected();
    const complete = await until(async () => {
      const { children } = await zookeeper.getChildren(path);
      const members = await Promise.all(
        children
          .filter((name) => name.startsWith('member_'))
          .map(async (name) => ({ name, body: (await zookeeper.getData(`${path}/${name}`)).data })),
      );
      shown = members.map(({ name, body }) => `${name}  ${Buffer.from(body).toString('utf8')}`);
      const found = members.map(({ body }) => {
        const member = memberSchema.parse(JSON.parse(Buffer.from(body).toString('utf8')));
        return `${member.metadata['mesocosm.dev/task'] ?? ''} ${member.serviceEndpoint.host}`;
      });
      return found.length === expected.size && found.every((one) => expected.has(one));
    }, 30_000);
    say(`members of ${path} as ZooKeeper has them`);
    process.stdout.write(`${shown.sort().join('\n')}\n`);
    if (!complete) throw new Error(`the members of ${path} are not the ready tasks`);
  } finally {
    await zookeeper.close();
  }
}

/** An HTTP answer of a task, fetched over each of its CNI addresses. */
async function showAnswer(
  tasks: readonly ShownTask[],
  say: (words: string) => void,
): Promise<void> {
  const [task] = tasks;
  const ips = task?.status?.networks?.flatMap((network) => network.ips) ?? [];
  for (const ip of ips) {
    const url = `http://${isIPv6(ip) ? `[${ip}]` : ip}:8080/`;
    say(`GET ${url}`);
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    const text = await response.text();
    process.stdout.write(text);
    // The task tells its name and the addresses that it found itself.
    if (text !== `hello from ${task?.metadata.name ?? ''} at ${ips.join(' ')}\n`) {
      throw new Error(
        `${url} was not answered by its task, or the task does not know its addresses`,
      );
    }
  }
}

function sayHowToGoOn({ say }: Demonstration): void {
  say('all of it is true; the cluster goes on. Try:');
  process.stdout.write(
    [
      '  export KUBECONFIG=$PWD/.local/kubeconfig PATH=$PWD/.local/bin:$PATH',
      '  cosm describe job web -n prod',
      '  cosm logs job/web -n prod',
      '  cosm scale job/web -n prod --replicas 2',
      '  kubectl get jobs,tasks -A -o wide',
      '  kubectl get tasks -n prod -w',
      '  hack/quickstart down',
      '',
    ].join('\n'),
  );
}
