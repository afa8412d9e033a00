import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { systemClock } from '../../../api/machinery/clock.ts';
import { systemRandom } from '../../../api/machinery/random.ts';
import { EtcdClient } from '../../../api/storage/etcd/client.ts';
import { ensureCertificates, type Certificates } from '../../local/certificates.ts';
import { accepts, freePorts } from '../../local/wait.ts';
import { withDirectory, type Undo } from '../directory.ts';
import { MeasuredProcess, memoryProbe } from '../measured-process.ts';
import { Target } from './target.ts';

export interface ApiClusterOptions {
  /** The checkout. */
  root: string;
  cosmd: string;
  /** The program of a kube-apiserver to compare with. */
  kubeApiserver: string | undefined;
  profileDir: string | undefined;
  concurrency: number;
}

export interface ApiCluster {
  etcd: EtcdClient;
  /** A server each while `work` lasts, one after the other: what one does at rest would slow the other. */
  cosmd: <T>(work: (target: Target) => Promise<T>) => Promise<T>;
  /** The same on the same etcd; undefined if there is no kube-apiserver. */
  kubeApiserver: (<T>(work: (target: Target) => Promise<T>) => Promise<T>) | undefined;
}

/**
 * etcd that syncs to the disk under the checkout, and the API servers to measure on it: cosmd with the API
 * alone, and a kube-apiserver if there is one. Removed again whatever comes of `work`.
 */
export async function withApiCluster<T>(
  options: ApiClusterOptions,
  work: (cluster: ApiCluster) => Promise<T>,
): Promise<T> {
  return withDirectory(options.root, (directory, undo) =>
    start(options, directory, undo).then(work),
  );
}

async function start(
  options: ApiClusterOptions,
  directory: string,
  undo: Undo[],
): Promise<ApiCluster> {
  const launch: Launch = (name, program, args, probed = false) => {
    const logFile = join(directory, `${name}.log`);
    const child = new MeasuredProcess({ name, program, args, logFile, probed });
    undo.push(() => child.stop());
    return child;
  };
  const endpoint = await startEtcd(launch, directory);
  const certificates = ensureCertificates(join(directory, 'certificates'));
  const world = { directory, endpoint, certificates, options };
  const etcd = new EtcdClient({
    endpoints: [endpoint],
    clock: systemClock(),
    random: systemRandom(),
  });
  undo.push(() => etcd.close());
  const during =
    (serve: () => Promise<Target>): ApiCluster['cosmd'] =>
    async (work) => {
      const target = await serve();
      try {
        await target.ready();
        return await work(target);
      } finally {
        await target.close();
        await target.process.stop();
      }
    };
  const { kubeApiserver: program } = options;
  return {
    etcd,
    cosmd: during(() => startCosmd(launch, world)),
    kubeApiserver:
      program === undefined ? undefined : during(() => startKubeApiserver(launch, program, world)),
  };
}

type Launch = (
  name: string,
  program: string,
  args: readonly string[],
  probed?: boolean,
) => MeasuredProcess;

interface World {
  directory: string;
  /** Of etcd. */
  endpoint: string;
  certificates: Certificates;
  options: ApiClusterOptions;
}

async function startEtcd(launch: Launch, directory: string): Promise<string> {
  const [port = 0, peerPort = 0] = await freePorts(2);
  const url = `http://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const etcd = launch('etcd', 'etcd', [
    ...['--data-dir', join(directory, 'etcd'), '--name', 'bench'],
    ...['--listen-client-urls', url, '--advertise-client-urls', url],
    ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
    ...['--initial-cluster', `bench=${peerUrl}`, '--log-level', 'error', '--logger', 'zap'],
  ]);
  await etcd.ready(() => accepts(port));
  return url;
}

async function startCosmd(
  launch: Launch,
  { directory, endpoint, certificates, options }: World,
): Promise<Target> {
  const [port = 0] = await freePorts(1);
  const file = join(directory, 'cosmd.yaml');
  const api = {
    listen: `127.0.0.1:${port}`,
    certFile: certificates.server.certFile,
    keyFile: certificates.server.keyFile,
    clientCaFile: certificates.caFile,
  };
  const etcd = { endpoints: [endpoint] };
  writeFileSync(file, stringify({ clusterName: 'bench', etcd, api, log: { level: 'warn' } }));
  const profiling =
    options.profileDir === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', options.profileDir];
  const args = [...profiling, ...memoryProbe, options.cosmd, '--roles', 'api', '--config', file];
  const child = launch('cosmd', process.execPath, args, true);
  await child.ready(() => accepts(port));
  return targetOf('cosmd', port, child, { certificates, options });
}

async function startKubeApiserver(
  launch: Launch,
  program: string,
  { directory, endpoint, certificates, options }: World,
): Promise<Target> {
  const [port = 0] = await freePorts(1);
  const accountKey = join(directory, 'accounts.key');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  writeFileSync(accountKey, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  const child = launch('kube-apiserver', program, [
    ...['--etcd-servers', endpoint, '--etcd-prefix', '/kubernetes'],
    ...['--bind-address', '127.0.0.1', '--advertise-address', '127.0.0.1'],
    ...['--secure-port', String(port), '--cert-dir', join(directory, 'kubernetes')],
    ...['--tls-cert-file', certificates.server.certFile],
    ...['--tls-private-key-file', certificates.server.keyFile],
    ...['--client-ca-file', certificates.caFile, '--authorization-mode', 'RBAC'],
    ...['--service-account-key-file', accountKey, '--service-account-signing-key-file', accountKey],
    ...['--service-account-issuer', 'https://bench.invalid'],
    ...['--service-cluster-ip-range', '10.0.0.0/24', '--v', '0'],
  ]);
  await child.ready(() => accepts(port));
  return targetOf('kube-apiserver', port, child, { certificates, options });
}

function targetOf(
  name: string,
  port: number,
  process: MeasuredProcess,
  { certificates, options }: Pick<World, 'certificates' | 'options'>,
): Target {
  return new Target({ name, port, process, certificates, concurrency: options.concurrency });
}
