import { MemoryStorage } from '../../../api/storage/memory.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { storageContract } from './contract.ts';

storageContract('memory', () => {
  const clock = new VirtualClock();
  const storage = new MemoryStorage({ clock });
  return Promise.resolve({
    storage,
    pass: (seconds) => clock.advance(seconds * 1000),
    close: () => storage.close(),
  });
});
