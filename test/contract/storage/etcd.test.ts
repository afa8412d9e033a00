import { afterAll, beforeAll } from 'vitest';
import { EtcdStorage } from '../../../api/storage/etcd/driver.ts';
import { systemClock } from '../../../api/machinery/clock.ts';
import { systemRandom } from '../../../api/machinery/random.ts';
import { startEtcd, type EtcdServer } from '../../support/etcd.ts';
import { storageContract } from './contract.ts';

let server: EtcdServer;
let opened = 0;

beforeAll(async () => {
  server = await startEtcd();
});
afterAll(async () => {
  await server.stop();
});

storageContract('etcd', () => {
  opened += 1;
  const storage = new EtcdStorage({
    endpoints: [server.endpoint],
    prefix: `/contract/${opened}`,
    clock: systemClock(),
    random: systemRandom(),
  });
  return Promise.resolve({
    storage,
    pass: () => Promise.resolve(),
    close: () => storage.close(),
  });
});
