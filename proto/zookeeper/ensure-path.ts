import type { ZooKeeperClient } from './client.ts';
import { isZooKeeperError } from './errors.ts';
import { parentOf } from './paths.ts';

/**
 * Creates `path` and whatever is missing above it, as empty persistent nodes. Others may do the same
 * at the same time. Asks before it creates: an existing ancestor need not be writable.
 */
export async function ensurePath(client: ZooKeeperClient, path: string): Promise<void> {
  if (path === '/' || (await client.exists(path)) !== undefined) return;
  await ensurePath(client, parentOf(path));
  try {
    await client.create(path, new Uint8Array());
  } catch (error) {
    if (!isZooKeeperError(error, 'NODE_EXISTS')) throw error;
  }
}
