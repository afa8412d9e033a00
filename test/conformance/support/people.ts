import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clientCertificate } from '../../../hack/local/certificates.ts';
import { Kubectl } from './kubectl.ts';
import type { RunningServer } from './server.ts';

export interface Person {
  name: string;
  groups: readonly string[];
}

/** A kubectl of somebody with a certificate that the authority of the server has signed. */
export function kubectlOf(person: Person, file: string, running: RunningServer): Kubectl {
  const certificate = clientCertificate(running.directory, person.name, person.groups);
  return kubectlWith(withCertificate(certificate), file, running);
}

/** A kubectl of whoever may do everything. */
export function administrator(file: string, running: RunningServer): Kubectl {
  return kubectlWith(withCertificate(running.certificates.admin), file, running);
}

function kubectlWith(user: object, file: string, running: RunningServer): Kubectl {
  const home = join(running.directory, randomUUID());
  return new Kubectl(file, home, kubeconfigFile(running, user));
}

/** The user of a kubeconfig that has the certificate inside it. */
export function withCertificate(files: { certFile: string; keyFile: string }): object {
  return {
    'client-certificate-data': readFileSync(files.certFile).toString('base64'),
    'client-key-data': readFileSync(files.keyFile).toString('base64'),
  };
}

/** A kubeconfig with one user, `user` as it stands there. */
export function kubeconfigOf(running: RunningServer, user: object): object {
  const ca = readFileSync(running.certificates.caFile).toString('base64');
  const server = `https://127.0.0.1:${running.port}`;
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': ca } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'default' } }],
    'current-context': 'x',
  };
}

/** The path of such a kubeconfig; JSON is YAML. */
export function kubeconfigFile(running: RunningServer, user: object): string {
  const file = join(running.directory, `${randomUUID()}.kubeconfig`);
  writeFileSync(file, JSON.stringify(kubeconfigOf(running, user)), { mode: 0o600 });
  return file;
}
