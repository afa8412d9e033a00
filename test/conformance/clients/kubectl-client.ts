import { z } from 'zod';
import { Kubectl, type KubectlVersion, type Outcome } from '../support/kubectl.ts';
import { objectSchema, Refused, type Client } from './client.ts';
import { watchingLines } from './lines.ts';

const versionSchema = z.object({ serverVersion: z.object({ gitVersion: z.string() }) });

/** kubectl, with what each of its versions can. */
export function kubectlClient(version: KubectlVersion, home: string, kubeconfig: string): Client {
  const kubectl = new Kubectl(version.file, home, kubeconfig);
  const accepted = ({ code, stdout, stderr }: Outcome): string => {
    if (code !== 0) throw new Refused(stderr);
    return stdout;
  };
  const run = async (...args: string[]): Promise<string> => accepted(await kubectl.try(args));
  let files = 0;
  const file = (object: object): Promise<string> => {
    files += 1;
    return kubectl.file(`object-${files}.json`, JSON.stringify(object));
  };
  const names = (text: string): string[] =>
    text.split('\n').flatMap((line) => line.split('/')[1] ?? []);
  const patch = async (type: string, target: string, body: object): Promise<void> => {
    await run('patch', target, `--type=${type}`, '-p', JSON.stringify(body));
  };
  const client: Client = {
    serverVersion: async () =>
      versionSchema.parse(JSON.parse(await run('version', '-o', 'json'))).serverVersion.gitVersion,
    resources: async () => {
      const text = await run('api-resources', '-o', 'name');
      return text.split('\n').map((line) => line.split('.')[0] ?? '');
    },
    create: async (object) => run('create', '-f', await file(object)),
    get: async (name) =>
      objectSchema.parse(JSON.parse(await run('get', 'jobs', name, '-o', 'json'))),
    list: async ({ labels, pageSize }) =>
      names(
        await run(
          ...['get', 'jobs', '-o', 'name', `--chunk-size=${pageSize ?? 500}`],
          ...(labels === undefined ? [] : ['-l', labels]),
        ),
      ),
    table: async () => (await run('get', 'jobs', '--no-headers')).trim().split('\n'),
    replace: async (object) => run('replace', '-f', await file(object)),
    mergePatch: (name, body) => patch('merge', `job/${name}`, body),
    jsonPatch: (name, body) => patch('json', `job/${name}`, body),
    strategicPatch: (name, body) => patch('strategic', `configmap/${name}`, body),
    apply: async (object, force = false) =>
      run(
        ...['apply', '--server-side', `--force-conflicts=${force}`, '--field-manager=matrix'],
        ...['-f', await file(object)],
      ),
    applyClientSide: async (object) => run('apply', '-f', await file(object)),
    dryRun: async (object) => run('apply', '--dry-run=server', '-f', await file(object)),
    scale: async (name, replicas) => run('scale', `job/${name}`, `--replicas=${replicas}`),
    remove: async (name) => run('delete', 'job', name, '--wait=false'),
    removeAll: async (labels) => run('delete', 'jobs', '-l', labels, '--wait=false'),
    watch: () => {
      const stream = kubectl.start('get', 'jobs', '-w', '--output-watch-events');
      return Promise.resolve(watchingLines(stream));
    },
    untilReady: async (name) =>
      run('wait', `job/${name}`, '--for=condition=Ready', '--timeout=60s'),
    mayI: async (verb, resource) => {
      const { code, stdout } = await kubectl.try(['auth', 'can-i', verb, resource]);
      if (code > 1) throw new Refused(stdout);
      return stdout.startsWith('yes');
    },
    createSecret: async (name, data) => {
      const literals = Object.entries(data).map(([key, value]) => `--from-literal=${key}=${value}`);
      await run('create', 'secret', 'generic', name, ...literals);
    },
    close: () => Promise.resolve(),
  };
  // `auth whoami` came with 1.27.
  if (version.minor < 27) return client;
  const whoAmI = async (): Promise<string> =>
    (await run('auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}')).trim();
  return { ...client, whoAmI };
}
