import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { encryptionSchema } from './encryption-config.ts';
import { auditSchema, oidcSchema, serviceAccountsSchema } from './identity-config.ts';
import { ConfigError, parseYaml } from './yaml-file.ts';

export { ConfigError } from './yaml-file.ts';

/** `cosmd.yaml`: every field, its default and its meaning. A field that is not here is refused. */

const path = z.string().min(1);
const zooKeeperPath = z
  .string()
  .regex(
    /^(\/[A-Za-z0-9_.:@-]+)+$/,
    'must be an absolute ZooKeeper path without a slash at the end',
  );
/** Where namespaces may publish: the API puts each of them in for `<namespace>`. */
const serverSetPrefix = z
  .string()
  .regex(
    /^(\/([A-Za-z0-9_.:@-]|<namespace>)+)+$/,
    'must be an absolute ZooKeeper path without a slash at the end; <namespace> in it stands for each',
  );
const hostPort = z.string().regex(/^.+:\d+$/, 'must be host:port');

const mastersSchema = z.union(
  [
    z
      .string()
      .regex(
        /^zk:\/\/[^/]+\/.+$/,
        'must be zk://host:port[,host:port…]/path or a list of host:port',
      ),
    z.array(hostPort).min(1),
  ],
  { error: 'must be zk://host:port[,host:port…]/path or a list of host:port' },
);

const tlsSchema = {
  caFile: path.optional().describe('PEM of the authorities that the server must be signed by.'),
  certFile: path.optional().describe('PEM certificate that we show.'),
  keyFile: path.optional().describe('PEM key of that certificate.'),
};

export const configSchema = z.strictObject({
  clusterName: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be a DNS label: lower case, digits and -')
    .describe(
      'Name of this control plane: in the name of the framework and in every ServerSet member.',
    ),
  mesos: z
    .strictObject({
      masters: mastersSchema.describe('zk://host:port/path, or a list of host:port.'),
      principal: z.string().min(1).optional().describe('Principal that we authenticate as.'),
      secretFile: path.optional().describe('File with the secret of the principal.'),
      tls: z
        .strictObject(tlsSchema)
        .optional()
        .describe('Masters and agents are asked over https; caFile: the system if absent.'),
      roles: z
        .array(z.string().min(1))
        .min(1)
        .default(['mesocosm'])
        .describe('Roles that we take offers for.'),
      user: z.string().min(1).default('root').describe('Unix user that tasks run as.'),
      failoverTimeoutSeconds: z
        .number()
        .positive()
        .default(604_800)
        .describe('How long Mesos keeps our tasks while we are away.'),
      addressCheckSeconds: z
        .number()
        .min(1)
        .default(300)
        .describe('How often each agent is asked whether the addresses that we know are right.'),
      orphans: z
        .enum(['Keep', 'Kill'])
        .default('Keep')
        .describe('What happens to tasks of our framework that etcd does not know.'),
    })
    .optional()
    .describe('Needed where the controllers run.'),
  storage: z
    .enum(['etcd', 'memory'])
    .default('etcd')
    .describe('memory loses everything at the end.'),
  etcd: z
    .strictObject({
      endpoints: z
        .array(z.url({ protocol: /^https?$/ }))
        .min(1)
        .describe('http:// or https:// addresses of the members.'),
      prefix: z
        .string()
        .regex(/^\/.+[^/]$/, 'must start with / and not end with it')
        .default('/mesocosm/registry')
        .describe('Everything of ours lies under it.'),
      ...tlsSchema,
      username: z.string().optional().describe('User of etcd.'),
      passwordFile: path.optional().describe('File with the password of that user.'),
      quotaBytes: z
        .int()
        .min(2 ** 20)
        .default(2 * 2 ** 30)
        .describe('Quota of its databases, as --quota-backend-bytes of etcd has it.'),
    })
    .optional()
    .describe('Needed with storage: etcd.'),
  zookeeper: z
    .strictObject({
      connect: z.string().min(1).describe('host:port[,host:port…][/chroot]'),
      sessionTimeoutSeconds: z.number().min(1).max(600).default(15),
      tls: z
        .strictObject({
          ...tlsSchema,
          caFile: path.describe('PEM of the authorities that a server must be signed by.'),
          serverName: z
            .string()
            .min(1)
            .optional()
            .describe('Name that the certificate of a server must carry; its host if absent.'),
        })
        .optional()
        .describe('Connections are made with TLS, to the secureClientPort of the servers.'),
      digest: z
        .strictObject({
          user: z
            .string()
            .regex(/^[^:\s]+$/, 'must be a name without a colon or white space')
            .describe('User of the scheme digest that we are.'),
          passwordFile: path.describe('File with the password of that user.'),
        })
        .optional()
        .describe('Whom we authenticate as.'),
      acl: z
        .enum(['Open', 'Creator'])
        .default('Open')
        .describe(
          'Who may change the nodes that we create: anybody, or digest.user alone while all may read.',
        ),
    })
    .optional()
    .describe('Needed where the controllers run: ServerSets are written there.'),
  serverSetRoots: z
    .array(
      z.strictObject({
        prefix: serverSetPrefix.describe('Paths below it may be published on.'),
        namespaces: z
          .array(z.string().min(1))
          .optional()
          .describe('By these namespaces; all if absent.'),
      }),
    )
    .optional()
    .describe('Where who may publish; <serverSetRoot>/<namespace>/ if absent.'),
  serverSetRoot: zooKeeperPath
    .default('/mesocosm')
    .describe('Root of the default places: <root>/<namespace>/.'),
  brake: z
    .strictObject({
      members: z
        .int()
        .min(1)
        .default(10)
        .describe('So many members may go at once, whatever the share.'),
      percent: z.number().min(0).max(100).default(20).describe('Or this share of all members.'),
      windowSeconds: z.number().positive().default(300),
    })
    .prefault({})
    .describe('When removals of members of unreachable tasks are held.'),
  api: z
    .strictObject({
      listen: hostPort.default('127.0.0.1:6443').describe('Address of the API.'),
      certFile: path.describe('PEM certificate of the API, with its chain.'),
      keyFile: path.describe('PEM key of that certificate.'),
      clientCaFile: path.describe('PEM of the authority that signs client certificates.'),
      tokenFile: path
        .optional()
        .describe(
          'Bearer tokens, a line each: token,user,uid,"group,group"; read when it changes.',
        ),
      serviceAccounts: serviceAccountsSchema
        .optional()
        .describe('Tokens of ServiceAccounts; none are issued or taken if absent.'),
      oidc: oidcSchema.optional().describe('Tokens of an OpenID Connect provider.'),
      audit: auditSchema.optional().describe('Who did what; nothing is recorded if absent.'),
      encryption: encryptionSchema
        .optional()
        .describe('Secrets lie encrypted in etcd; as they are if absent.'),
      authorization: z
        .enum(['RBAC', 'AlwaysAllow'])
        .default('RBAC')
        .describe('AlwaysAllow: everybody whom we know may do everything; on loopback only.'),
      http2: z
        .boolean()
        .default(true)
        .describe('Whether clients may choose HTTP/2, which shares a connection among requests.'),
      limits: z
        .strictObject({
          watches: z.int().min(1).default(10_000).describe('Watches that may be open at a time.'),
          watchesPerUser: z.int().min(1).default(1_000).describe('And of one user.'),
          sessionsPerUser: z
            .int()
            .min(1)
            .default(100)
            .describe('Logs that are read, commands and attachments of one user at a time.'),
          connections: z
            .int()
            .min(1)
            .default(10_000)
            .describe('Connections at a time; the oldest that nobody known uses makes room.'),
          connectionsPerAddress: z
            .int()
            .min(1)
            .default(5_000)
            .describe('And from one address (IPv6: one /64), which clients of a proxy share.'),
        })
        .prefault({})
        .describe(
          'What users may hold open; system:masters and controllers have no bound of their own.',
        ),
      shutdownDelaySeconds: z
        .number()
        .min(0)
        .max(300)
        .default(0)
        .describe('How long it serves on after TERM while /readyz fails already.'),
    })
    .optional()
    .describe('Needed where the API runs.'),
  controllers: z
    .strictObject({
      listen: hostPort
        .optional()
        .describe('Where health and metrics of the controllers are served; nowhere if absent.'),
      certFile: path
        .optional()
        .describe('PEM certificate for it; without one plain HTTP is spoken, on loopback only.'),
      keyFile: path.optional().describe('PEM key of that certificate.'),
      clientCaFile: path
        .optional()
        .describe('PEM of the authority that signs the certificates of who may read metrics.'),
    })
    .prefault({})
    .describe('What a process shows of the controllers in it.'),
  kubeconfig: path
    .optional()
    .describe('How controllers reach the API when it runs in another process.'),
  leaseSeconds: z
    .int()
    .min(3)
    .max(300)
    .default(15)
    .describe('Term of the leader: another takes over so long after it fell silent.'),
  featureGates: z
    .strictObject({
      ContainerNetworking: z
        .boolean()
        .default(true)
        .describe('false: Jobs with networks are refused; running ones are left alone.'),
    })
    .prefault({})
    .describe('Features that operators turn on and off.'),
  log: z
    .strictObject({
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
    })
    .prefault({})
    .describe('Logs go to standard output, a JSON object a line.'),
});
export type Config = z.infer<typeof configSchema>;

export type Role = 'api' | 'controllers';

export function loadConfig(file: string, roles: readonly Role[]): Config {
  return parseConfig(readText(file, '--config'), file, roles);
}

/** Parses and checks a configuration. Every fault is reported, each with file, line and field. */
export function parseConfig(text: string, file: string, roles: readonly Role[]): Config {
  const config = parseYaml(text, file, configSchema);
  const missing = absentSections(config, roles);
  if (missing.length > 0)
    throw new ConfigError(missing.map((words) => `${file}: ${words}`).join('\n'));
  return config;
}

/** Sections that the roles of this process need, and pairs of fields that go together. */
function absentSections(config: Config, roles: readonly Role[]): string[] {
  const faults: string[] = [];
  const need = (present: boolean, words: string): void => {
    if (!present) faults.push(words);
  };
  const { mesos, etcd, api } = config;
  if (roles.includes('api')) {
    need(api !== undefined, 'api: is needed where the API runs');
    need(
      api?.authorization !== 'AlwaysAllow' || isLoopback(api.listen),
      'api.authorization: AlwaysAllow is for trials: api.listen must be an address of loopback',
    );
    need(config.storage === 'memory' || etcd !== undefined, 'etcd: is needed with storage: etcd');
  }
  if (roles.includes('controllers')) {
    need(mesos !== undefined, 'mesos: is needed where the controllers run');
    need(config.zookeeper !== undefined, 'zookeeper: is needed where the controllers run');
    need(
      roles.includes('api') || config.kubeconfig !== undefined,
      'kubeconfig: is needed where controllers run without the API',
    );
  }
  need(
    (mesos?.principal === undefined) === (mesos?.secretFile === undefined),
    'mesos.secretFile: principal and secretFile go together',
  );
  need(
    (mesos?.tls?.certFile === undefined) === (mesos?.tls?.keyFile === undefined),
    'mesos.tls.keyFile: certFile and keyFile go together',
  );
  faults.push(...controllersFaults(config.controllers));
  faults.push(...zooKeeperFaults(config.zookeeper));
  need(
    (etcd?.certFile === undefined) === (etcd?.keyFile === undefined),
    'etcd.keyFile: certFile and keyFile go together',
  );
  need(
    (etcd?.username === undefined) === (etcd?.passwordFile === undefined),
    'etcd.passwordFile: username and passwordFile go together',
  );
  return faults;
}

function controllersFaults({ listen, ...tls }: Config['controllers']): string[] {
  const files = [tls.certFile, tls.keyFile, tls.clientCaFile];
  const given = files.filter((file) => file !== undefined).length;
  if (given > 0 && listen === undefined) {
    return ['controllers.listen: is needed for a certificate to be shown'];
  }
  if (given > 0 && given < files.length) {
    return ['controllers.certFile: certFile, keyFile and clientCaFile go together'];
  }
  if (listen === undefined || given > 0 || isLoopback(listen)) return [];
  return [
    'controllers.certFile: is needed, with keyFile and clientCaFile, where listen is no address of loopback',
  ];
}

/** Whether only this machine can reach `host:port`. */
function isLoopback(address: string): boolean {
  const host = address.slice(0, address.lastIndexOf(':'));
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

function zooKeeperFaults(zookeeper: Config['zookeeper']): string[] {
  const faults: string[] = [];
  const { tls, digest, acl } = zookeeper ?? {};
  if ((tls?.certFile === undefined) !== (tls?.keyFile === undefined)) {
    faults.push('zookeeper.tls.keyFile: certFile and keyFile go together');
  }
  if (acl === 'Creator' && digest === undefined) {
    faults.push('zookeeper.digest: is needed with acl: Creator, which names its user');
  }
  return faults;
}

/** The content of a file that the configuration names at `field`. */
export function readBytes(file: string, field: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${field}: cannot be read: ${reason}`, { cause: error });
  }
}

export function readText(file: string, field: string): string {
  return readBytes(file, field).toString('utf8');
}
