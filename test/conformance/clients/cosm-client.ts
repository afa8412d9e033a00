import { startCommand, type Outcome } from '../../unit/api/cli/support/cosm.ts';
import { objectSchema, Refused, type Client } from './client.ts';

/** cosm, in this process: what was built of it is driven from end to end elsewhere. */
export function cosmClient(home: string, kubeconfig: string): Client {
  const attempt = (args: readonly string[], object?: object): Promise<Outcome> =>
    startCommand(args, home, { env: { KUBECONFIG: kubeconfig }, stdin: JSON.stringify(object) })
      .done;
  const accepted = ({ code, stderr, stdout }: Outcome): string => {
    if (code !== 0) throw new Refused(stderr);
    return stdout;
  };
  const run = async (...args: string[]): Promise<string> => accepted(await attempt(args));
  /** A command about a file, which is the object. */
  const write = async (object: object, ...args: string[]): Promise<string> =>
    accepted(await attempt([...args, '-f', '-'], object));
  const patch = async (type: string, target: string, body: object): Promise<void> => {
    await run('patch', target, `--type=${type}`, '-p', JSON.stringify(body));
  };
  return {
    serverVersion: () => run('version', '-o', 'jsonpath={.serverVersion.gitVersion}'),
    resources: async () => {
      const text = await run('api-resources', '-o', 'name');
      return text.split('\n').map((line) => line.split('.')[0] ?? '');
    },
    create: (object) => write(object, 'create'),
    get: async (name) =>
      objectSchema.parse(JSON.parse(await run('get', 'job', name, '-o', 'json'))),
    list: async ({ labels }) => {
      const selecting = labels === undefined ? [] : ['-l', labels];
      const text = await run('get', 'jobs', '-o', 'name', ...selecting);
      return text.split('\n').flatMap((line) => line.split('/')[1] ?? []);
    },
    table: async () => (await run('get', 'jobs', '--no-headers')).trim().split('\n'),
    replace: (object) => write(object, 'replace'),
    mergePatch: (name, body) => patch('merge', `job/${name}`, body),
    jsonPatch: (name, body) => patch('json', `job/${name}`, body),
    strategicPatch: (name, body) => patch('strategic', `configmap/${name}`, body),
    apply: (object, force = false) => {
      const flags = ['--server-side', '--field-manager=matrix'];
      return write(object, 'apply', ...flags, ...(force ? ['--force-conflicts'] : []));
    },
    applyClientSide: (object) => write(object, 'apply'),
    dryRun: (object) => write(object, 'apply', '--dry-run=server'),
    scale: (name, replicas) => run('scale', `job/${name}`, `--replicas=${replicas}`),
    remove: (name) => run('delete', 'job', name, '--wait=false'),
    removeAll: (labels) => run('delete', 'jobs', '-l', labels, '--wait=false'),
    untilReady: (name) => run('wait', `job/${name}`, '--for=condition=Ready', '--timeout=60s'),
    whoAmI: () => run('auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'),
    mayI: async (verb, resource) => {
      const { code, stdout, stderr } = await attempt(['auth', 'can-i', verb, resource]);
      if (code > 1) throw new Refused(stderr);
      return stdout.startsWith('yes');
    },
    createSecret: (name, stringData) =>
      write({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData }, 'create'),
    close: () => Promise.resolve(),
  };
}
