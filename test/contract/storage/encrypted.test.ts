import { randomBytes } from 'node:crypto';
import { EncryptedStorage } from '../../../api/storage/encrypted.ts';
import { KeyRing } from '../../../api/storage/encryption.ts';
import { maxValueBytes } from '../../../api/storage/storage.ts';
import { MemoryStorage } from '../../../api/storage/memory.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { storageContract } from './contract.ts';

storageContract('memory, everything encrypted', () => {
  const clock = new VirtualClock();
  const keys = [{ name: 'one', bytes: randomBytes(32) }];
  const ring = new KeyRing({ keys, nonce: randomBytes });
  const storage = new EncryptedStorage({
    storage: new MemoryStorage({ clock }),
    ring,
    prefixes: ['/'],
  });
  return Promise.resolve({
    storage,
    // What makes it unreadable takes room, too.
    maxBytes: maxValueBytes - ring.seal('/', new Uint8Array()).length,
    pass: (seconds) => clock.advance(seconds * 1000),
    close: () => storage.close(),
  });
});
