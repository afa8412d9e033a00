import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { ApiAccess, Impersonation } from './access.ts';
import { AccessError, assertUsable, impersonationOf } from './access.ts';

/** A kubeconfig that is missing, unreadable, or asks for what this client does not do. */
export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError';
}

export interface KubeconfigOptions {
  /** The one file to read, as `--kubeconfig` names it; it must exist. */
  path?: string | undefined;
  /** The value of KUBECONFIG: a list of files of which some may be missing. */
  environment?: string | undefined;
  /** Home directory; `.kube/config` in it is read if neither of the above is given. */
  home: string;
  /** Overrides of what the files say. */
  context?: string | undefined;
  cluster?: string | undefined;
  user?: string | undefined;
}

export interface KubeconfigContext {
  /** Name of the chosen context; empty if the files have none and flags gave the parts. */
  name: string;
  /** `default` if the context names none. */
  namespace: string;
  access: ApiAccess;
}

const clusterSchema = z.object({
  server: z.string().optional(),
  'certificate-authority': z.string().optional(),
  'certificate-authority-data': z.string().optional(),
  'insecure-skip-tls-verify': z.boolean().optional(),
  'tls-server-name': z.string().optional(),
  'proxy-url': z.string().optional(),
});
type Cluster = z.infer<typeof clusterSchema>;

const userSchema = z.looseObject({
  'client-certificate': z.string().optional(),
  'client-certificate-data': z.string().optional(),
  'client-key': z.string().optional(),
  'client-key-data': z.string().optional(),
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  as: z.string().optional(),
  'as-groups': z.array(z.string()).optional(),
  'as-uid': z.string().optional(),
});
type User = z.infer<typeof userSchema>;

const contextSchema = z.object({
  cluster: z.string().optional(),
  user: z.string().optional(),
  namespace: z.string().optional(),
});
type Context = z.infer<typeof contextSchema>;

const fileSchema = z.object({
  'current-context': z.string().nullish(),
  clusters: z.array(z.object({ name: z.string(), cluster: clusterSchema })).nullish(),
  users: z.array(z.object({ name: z.string(), user: userSchema.nullable() })).nullish(),
  contexts: z.array(z.object({ name: z.string(), context: contextSchema })).nullish(),
});

/** An entry with the file it stands in: relative file names in it start there. */
interface Entry<T> {
  file: string;
  value: T;
}

/** All files of the list as one; of two entries of one name the first file's wins. */
interface Kubeconfig {
  files: string[];
  currentContext: string | undefined;
  clusters: Map<string, Entry<Cluster>>;
  users: Map<string, Entry<User>>;
  contexts: Map<string, Entry<Context>>;
}

/** Finds and merges the kubeconfig files as kubectl does, and resolves one context of them. */
export async function loadKubeconfig(options: KubeconfigOptions): Promise<KubeconfigContext> {
  const kubeconfig = await readAll(options);
  const name = options.context ?? kubeconfig.currentContext ?? '';
  const context = contextNamed(kubeconfig, name, options);
  const clusterName = options.cluster ?? context.cluster;
  const userName = options.user ?? context.user;
  const cluster = clusterNamed(kubeconfig, name, clusterName);
  const user = userNamed(kubeconfig, name, userName);
  const access = await accessOf(cluster, user);
  try {
    assertUsable(access);
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    throw new KubeconfigError(`${cluster.file}: ${error.message}`, { cause: error });
  }
  const namespace = context.namespace;
  return {
    name,
    namespace: namespace === undefined || namespace === '' ? 'default' : namespace,
    access,
  };
}

async function readAll(options: KubeconfigOptions): Promise<Kubeconfig> {
  const merged: Kubeconfig = {
    files: [],
    currentContext: undefined,
    clusters: new Map(),
    users: new Map(),
    contexts: new Map(),
  };
  const candidates = candidatesOf(options);
  for (const file of candidates) {
    const text = await readIfPresent(file, options.path !== undefined);
    if (text !== undefined) merge(merged, file, text);
  }
  if (merged.files.length === 0) {
    throw new KubeconfigError(
      `no kubeconfig found (looked for ${candidates.join(', ')}); ` +
        'name one with --kubeconfig or KUBECONFIG',
    );
  }
  return merged;
}

function candidatesOf({ path, environment, home }: KubeconfigOptions): string[] {
  if (path !== undefined) return [resolve(path)];
  const listed = (environment ?? '').split(delimiter).filter((part) => part !== '');
  return listed.length > 0 ? listed.map((part) => resolve(part)) : [join(home, '.kube', 'config')];
}

async function readIfPresent(file: string, mustExist: boolean): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (missing && !mustExist) return undefined;
    throw new KubeconfigError(`cannot read kubeconfig ${messageOf(error)}`, { cause: error });
  }
}

function merge(into: Kubeconfig, file: string, text: string): void {
  const parsed = fileSchema.safeParse(parseYaml(file, text) ?? {});
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new KubeconfigError(`${file}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  const content = parsed.data;
  into.files.push(file);
  if (into.currentContext === undefined && content['current-context']) {
    into.currentContext = content['current-context'];
  }
  for (const { name, cluster } of content.clusters ?? []) {
    addFirst(into.clusters, name, { file, value: cluster });
  }
  for (const { name, user } of content.users ?? []) {
    addFirst(into.users, name, { file, value: user ?? {} });
  }
  for (const { name, context } of content.contexts ?? []) {
    addFirst(into.contexts, name, { file, value: context });
  }
}

function parseYaml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new KubeconfigError(`${file} is no YAML: ${messageOf(error)}`, { cause: error });
  }
}

function addFirst<T>(into: Map<string, T>, name: string, value: T): void {
  if (!into.has(name)) into.set(name, value);
}

function contextNamed(kubeconfig: Kubeconfig, name: string, options: KubeconfigOptions): Context {
  const found = kubeconfig.contexts.get(name);
  if (found !== undefined) return found.value;
  if (name === '' && options.cluster !== undefined) return {};
  const known = [...kubeconfig.contexts.keys()].join(', ');
  throw new KubeconfigError(
    name === ''
      ? `${kubeconfig.files.join(', ')}: no current-context; choose one with --context (${known})`
      : `${kubeconfig.files.join(', ')}: no context "${name}" (there is: ${known})`,
  );
}

function clusterNamed(
  kubeconfig: Kubeconfig,
  context: string,
  name: string | undefined,
): Entry<Cluster> {
  const found = name === undefined ? undefined : kubeconfig.clusters.get(name);
  if (found !== undefined) return found;
  throw new KubeconfigError(
    `${kubeconfig.files.join(', ')}: context "${context}" names ` +
      (name === undefined ? 'no cluster' : `cluster "${name}", which does not exist`),
  );
}

function userNamed(
  kubeconfig: Kubeconfig,
  context: string,
  name: string | undefined,
): Entry<User> | undefined {
  if (name === undefined || name === '') return undefined;
  const found = kubeconfig.users.get(name);
  if (found !== undefined) return found;
  throw new KubeconfigError(
    `${kubeconfig.files.join(', ')}: context "${context}" names user "${name}", which does not exist`,
  );
}

async function accessOf(
  cluster: Entry<Cluster>,
  user: Entry<User> | undefined,
): Promise<ApiAccess> {
  const { value } = cluster;
  if (value.server === undefined || value.server === '') {
    throw new KubeconfigError(`${cluster.file}: the cluster has no server`);
  }
  if (value['proxy-url']) {
    throw new KubeconfigError(`${cluster.file}: proxy-url is not supported; remove it`);
  }
  const ca = await pem(cluster.file, 'certificate-authority', {
    data: value['certificate-authority-data'],
    path: value['certificate-authority'],
  });
  return {
    server: value.server.replace(/\/+$/, ''),
    ...(ca === undefined ? {} : { ca }),
    ...(value['insecure-skip-tls-verify'] === true ? { insecureSkipTlsVerify: true } : {}),
    ...(value['tls-server-name'] ? { tlsServerName: value['tls-server-name'] } : {}),
    ...(user === undefined ? {} : await credentialsOf(user)),
  };
}

/** Ways to be somebody that kubectl knows and this client does not: refused, not ignored. */
const unsupported = ['exec', 'auth-provider', 'username', 'password', 'as-user-extra'];

async function credentialsOf({ file, value }: Entry<User>): Promise<Partial<ApiAccess>> {
  const refused = unsupported.find((key) => Object.hasOwn(value, key));
  if (refused !== undefined) {
    throw new KubeconfigError(
      `${file}: the user's "${refused}" is not supported; use a client certificate or a token`,
    );
  }
  const clientCertificate = await pem(file, 'client-certificate', {
    data: value['client-certificate-data'],
    path: value['client-certificate'],
  });
  const clientKey = await pem(file, 'client-key', {
    data: value['client-key-data'],
    path: value['client-key'],
  });
  const token = await tokenOf(file, value);
  const impersonate = impersonatedBy(file, value);
  return {
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
    ...(clientKey === undefined ? {} : { clientKey }),
    ...(token === undefined ? {} : { token }),
    ...(value.tokenFile ? { tokenFile: resolve(dirname(file), value.tokenFile) } : {}),
    ...(impersonate === undefined ? {} : { impersonate }),
  };
}

function impersonatedBy(file: string, user: User): Impersonation | undefined {
  try {
    return impersonationOf(user.as, user['as-groups'] ?? [], user['as-uid']);
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    throw new KubeconfigError(`${file}: ${error.message}`, { cause: error });
  }
}

/** As in kubectl, a token file goes before a token. */
async function tokenOf(file: string, user: User): Promise<string | undefined> {
  const text = user.tokenFile
    ? await readReferenced(file, 'tokenFile', user.tokenFile)
    : user.token;
  const token = text?.trim();
  return token === '' ? undefined : token;
}

/** Inline data goes before a file name; data that is no base64 of a PEM is refused here already. */
async function pem(
  file: string,
  field: string,
  source: { data: string | undefined; path: string | undefined },
): Promise<string | undefined> {
  if (source.data) {
    const text = Buffer.from(source.data, 'base64').toString('utf8');
    if (text.includes('-----BEGIN ')) return text;
    throw new KubeconfigError(`${file}: ${field}-data is no base64 of a PEM`);
  }
  if (!source.path) return undefined;
  const text = await readReferenced(file, field, source.path);
  if (text.includes('-----BEGIN ')) return text;
  throw new KubeconfigError(`${file}: ${field} ${source.path} is no PEM file`);
}

async function readReferenced(file: string, field: string, path: string): Promise<string> {
  try {
    return await readFile(resolve(dirname(file), path), 'utf8');
  } catch (error) {
    throw new KubeconfigError(`${file}: ${field}: ${messageOf(error)}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
