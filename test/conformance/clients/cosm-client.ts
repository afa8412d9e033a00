import { Kubectl, type Outcome } from '../support/kubectl.ts';
import { objectSchema, Refused, type Client } from './client.ts';

/** cosm as it was built. */
export function cosmClient(home: string, kubeconfig: string): Client {
  const program = new URL('../../../.local/bin/cosm', import.meta.url).pathname;
  const cosm = new Kubectl(program, home, kubeconfig);
  const accepted = ({ code, stderr, stdout }: Outcome): string => {
    if (code !== 0) throw new Refused(stderr);
    return stdout;
  };
  const run = async (...args: string[]): Promise<string> => accepted(await cosm.try(args));
  let files = 0;
  const file = (object: object): Promise<string> => {
    files += 1;
    return cosm.file(`object-${files}.json`, JSON.stringify(object));
  };
  return {
    create: async (object) => run('apply', '-f', await file(object)),
    get: async (name) =>
      objectSchema.parse(JSON.parse(await run('get', 'job', name, '-o', 'json'))),
    list: async ({ labels }) => {
      const text = await run(
        'get',
        'jobs',
        '-o',
        'name',
        ...(labels === undefined ? [] : ['-l', labels]),
      );
      return text.split('\n').flatMap((line) => line.split('/')[1] ?? []);
    },
    table: async () => (await run('get', 'jobs', '--no-headers')).trim().split('\n'),
    apply: async (object, force = false) =>
      run(
        ...['apply', '--server-side', '--field-manager=matrix', '-f', await file(object)],
        ...(force ? ['--force-conflicts'] : []),
      ),
    applyClientSide: async (object) => run('apply', '-f', await file(object)),
    dryRun: async (object) => run('apply', '--dry-run=server', '-f', await file(object)),
    scale: async (name, replicas) => run('scale', `job/${name}`, `--replicas=${replicas}`),
    remove: async (name) => run('delete', 'job', name, '--wait=false'),
    removeAll: async (labels) => run('delete', 'jobs', '-l', labels, '--wait=false'),
    untilReady: async (name) =>
      run('wait', `job/${name}`, '--for=condition=Ready', '--timeout=30s'),
    close: () => Promise.resolve(),
  };
}
