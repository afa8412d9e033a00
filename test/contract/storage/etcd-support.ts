import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../../api/machinery/clock.ts';
import { systemRandom } from '../../../api/machinery/random.ts';
import { EtcdStorage, type EtcdStorageOptions } from '../../../api/storage/etcd/driver.ts';

/** An etcd driver on the machine's own clock. */
export function openEtcd(
  endpoints: readonly string[],
  options: Partial<EtcdStorageOptions> & { prefix: string },
): EtcdStorage {
  return new EtcdStorage({
    endpoints,
    clock: systemClock(),
    random: systemRandom(),
    ...options,
  });
}

/** Resolves once `condition` holds; fails if it does not within `timeoutMs`. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const giveUp = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > giveUp)
      throw new Error(`not true within ${timeoutMs} ms: ${condition.toString()}`);
    await delay(5);
  }
}
