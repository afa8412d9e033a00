import { describe, expect, it } from 'vitest';
import { keysPerLease, LeasePool, sharingSeconds } from '../../../../api/storage/leases.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

interface Lease {
  seconds: number;
}

function pool(): { clock: VirtualClock; leases: LeasePool<Lease>; granted: Lease[] } {
  const clock = new VirtualClock();
  const granted: Lease[] = [];
  const grant = (seconds: number): Lease => {
    const lease = { seconds };
    granted.push(lease);
    return lease;
  };
  return { clock, granted, leases: new LeasePool({ clock, grant }) };
}

describe('LeasePool', () => {
  it('shares a lease for a twentieth of its length, at least a second and at most a minute', () => {
    expect([1, 19, 40, 1200, 3600, 86400].map(sharingSeconds)).toEqual([1, 1, 2, 60, 60, 60]);
  });

  it('never hands out a lease that ends before the key may', async () => {
    const { clock, leases, granted } = pool();
    const first = leases.take(3600);
    expect(first.seconds).toBe(3660);
    await clock.advance(59_999);
    expect(leases.take(3600)).toBe(first);
    await clock.advance(1);
    expect(leases.take(3600)).not.toBe(first);
    expect(granted).toHaveLength(2);
  });

  it('puts at most a thousand keys on a lease', () => {
    const { leases, granted } = pool();
    for (let key = 0; key < 2 * keysPerLease; key += 1) leases.take(3600);
    expect(granted).toHaveLength(2);
    leases.take(3600);
    expect(granted).toHaveLength(3);
  });

  it('keeps different lengths apart and forgets a lease that is lost', () => {
    const { leases, granted } = pool();
    const hour = leases.take(3600);
    expect(leases.take(60)).not.toBe(hour);
    leases.forget(hour);
    expect(leases.take(3600)).not.toBe(hour);
    expect(granted).toHaveLength(3);
  });
});
