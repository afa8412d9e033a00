import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { writeKubeconfig } from '../../../hack/local/certificates.ts';
import { Kubectl } from './kubectl.ts';
import type { RunningServer } from './server.ts';

/** A kubectl of somebody with a certificate that the authority of the server has signed. */
export function kubectlOf(
  person: { name: string; groups: readonly string[] },
  file: string,
  running: RunningServer,
): Kubectl {
  const home = join(running.directory, randomUUID());
  const kubeconfig = `${home}.kubeconfig`;
  const admin = certificateOf(person, running.directory);
  const access = { ...running.certificates, admin };
  writeKubeconfig(kubeconfig, `https://127.0.0.1:${running.port}`, access);
  return new Kubectl(file, home, kubeconfig);
}

function certificateOf(
  { name, groups }: { name: string; groups: readonly string[] },
  directory: string,
): { certFile: string; keyFile: string } {
  const id = randomUUID();
  const file = (end: string): string => join(directory, `${id}.${end}`);
  const [keyFile, request, certFile] = [file('key'), file('csr'), file('crt')];
  const subject = `${groups.map((group) => `/O=${group}`).join('')}/CN=${name}`;
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const openssl = (...args: string[]): unknown =>
    execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  openssl('req', '-subj', subject, ...key, '-keyout', keyFile, '-out', request);
  const authority = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'];
  openssl('x509', '-req', '-days', '2', '-in', request, ...authority, '-out', certFile);
  return { certFile, keyFile };
}
