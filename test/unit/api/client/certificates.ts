import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificates {
  ca: string;
  server: { cert: string; key: string };
  client: { cert: string; key: string };
}

/** A throw-away authority with a server certificate for 127.0.0.1 and a client one. */
export function makeCertificates(): Certificates {
  const directory = mkdtempSync(join(tmpdir(), 'certificates-'));
  const path = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: 'pipe' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const issue = (name: string, subject: string, extra: string[]): { cert: string; key: string } => {
    openssl(
      ...['req', '-x509', ...newKey, '-keyout', path(`${name}.key`), '-out', path(`${name}.crt`)],
      ...['-days', '1', '-subj', subject, '-CA', path('ca.crt'), '-CAkey', path('ca.key')],
      ...extra,
    );
    return {
      cert: readFileSync(path(`${name}.crt`), 'utf8'),
      key: readFileSync(path(`${name}.key`), 'utf8'),
    };
  };
  try {
    openssl(
      ...['req', '-x509', ...newKey, '-keyout', path('ca.key'), '-out', path('ca.crt')],
      ...['-days', '1', '-subj', '/CN=test authority'],
    );
    return {
      ca: readFileSync(path('ca.crt'), 'utf8'),
      server: issue('server', '/CN=server', [
        ...['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=CA:FALSE'],
      ]),
      client: issue('client', '/CN=admin/O=operators', ['-addext', 'basicConstraints=CA:FALSE']),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
