import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** Files of a local authority: for development and tests, never for production. */
export interface Certificates {
  caFile: string;
  server: { certFile: string; keyFile: string };
  admin: { certFile: string; keyFile: string };
  /** Signs the tokens of ServiceAccounts. */
  serviceAccountKeyFile: string;
}

const days = '3650';

/**
 * Makes an authority, a certificate for loopback, one for an administrator and a key for tokens; keeps what
 * is there.
 */
export function ensureCertificates(directory: string): Certificates {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(directory, name);
  if (!existsSync(file('ca.crt'))) {
    openssl(directory, [
      ...['req', '-x509', '-days', days, '-subj', '/CN=mesocosm-local-ca'],
      ...newKey('ca.key'),
      ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-out', 'ca.crt'],
    ]);
  }
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1';
  issue(directory, 'server', '/CN=cosmd', `${names}\nextendedKeyUsage=serverAuth\n`);
  issue(directory, 'admin', '/O=system:masters/CN=admin', 'extendedKeyUsage=clientAuth\n');
  if (!existsSync(file('service-account.key'))) {
    openssl(directory, [
      'ecparam',
      '-name',
      'prime256v1',
      '-genkey',
      '-noout',
      '-out',
      'service-account.key',
    ]);
  }
  return {
    caFile: file('ca.crt'),
    server: { certFile: file('server.crt'), keyFile: file('server.key') },
    admin: { certFile: file('admin.crt'), keyFile: file('admin.key') },
    serviceAccountKeyFile: file('service-account.key'),
  };
}

/** A certificate of somebody else, signed by the authority that is in the directory. */
export function clientCertificate(
  directory: string,
  user: string,
  groups: readonly string[],
): { certFile: string; keyFile: string } {
  const subject = [...groups.map((group) => `/O=${group}`), `/CN=${user}`].join('');
  issue(directory, user, subject, 'extendedKeyUsage=clientAuth\n');
  return { certFile: join(directory, `${user}.crt`), keyFile: join(directory, `${user}.key`) };
}

function issue(directory: string, name: string, subject: string, extensions: string): void {
  if (existsSync(join(directory, `${name}.crt`))) return;
  const [key, request, extension] = [`${name}.key`, `${name}.csr`, `${name}.ext`];
  openssl(directory, ['req', '-subj', subject, ...newKey(key), '-out', request]);
  writeFileSync(join(directory, extension), extensions);
  openssl(directory, [
    ...['x509', '-req', '-days', days, '-in', request, '-extfile', extension],
    ...['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-out', `${name}.crt`],
  ]);
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file];
}

function openssl(directory: string, args: readonly string[]): void {
  execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
}

/** Writes a kubeconfig of the administrator, with everything inside it; readable by its owner only. */
export function writeKubeconfig(file: string, server: string, certificates: Certificates): void {
  const inline = (path: string): string => readFileSync(path).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'local',
        cluster: { server, 'certificate-authority-data': inline(certificates.caFile) },
      },
    ],
    users: [
      {
        name: 'admin',
        user: {
          'client-certificate-data': inline(certificates.admin.certFile),
          'client-key-data': inline(certificates.admin.keyFile),
        },
      },
    ],
    contexts: [
      { name: 'local', context: { cluster: 'local', user: 'admin', namespace: 'default' } },
    ],
    'current-context': 'local',
  };
  writeFileSync(file, stringify(config), { mode: 0o600 });
  chmodSync(file, 0o600);
}
