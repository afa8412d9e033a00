import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Volume } from '../../../../proto/mesos/generated/messages.ts';

/**
 * What Mesos' isolator volume/secret does before the container starts: an empty file in the sandbox for
 * each secret to be mounted on, and the secret in the agent's own directory. Returns the directory, in
 * which file N goes to the path in `N.path`; '' if there are none.
 */
export function writeSecretFiles(
  container: string,
  sandbox: string,
  volumes: readonly Volume[],
): string {
  const secrets = volumes.filter(({ source }) => source?.type === 'SECRET');
  if (secrets.length === 0) return '';
  const directory = join(container, 'secrets');
  mkdirSync(join(directory, 'memory'), { recursive: true, mode: 0o700 });
  for (const [number, { container_path, source }] of secrets.entries()) {
    const target = join(sandbox, container_path);
    mkdirSync(dirname(target), { recursive: true });
    closeSync(openSync(target, 'a'));
    const bytes = Buffer.from(source?.secret?.value?.data ?? '', 'base64');
    writeFileSync(join(directory, String(number)), bytes, { mode: 0o644 });
    writeFileSync(join(directory, `${number}.path`), target);
  }
  return directory;
}
