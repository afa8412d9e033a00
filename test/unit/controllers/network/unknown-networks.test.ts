import { describe, expect, it } from 'vitest';
import { unknownForMs, UnknownNetworks } from '../../../../controllers/network/unknown-networks.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

describe('CNI networks that an agent lacks', () => {
  it('are known for ten minutes, for that agent alone', async () => {
    const clock = new VirtualClock();
    const networks = new UnknownNetworks(clock);
    networks.mark('S1', 'dev-net');
    await clock.advance(60_000);
    networks.mark('S1', 'data-net');
    expect(networks.of('S1')).toEqual(
      new Map([
        ['dev-net', unknownForMs - 60_000],
        ['data-net', unknownForMs],
      ]),
    );
    expect(networks.of('S2').size).toBe(0);
    await clock.advance(unknownForMs - 60_000);
    expect([...networks.of('S1').keys()]).toEqual(['data-net']);
    await clock.advance(60_000);
    expect(networks.of('S1').size).toBe(0);
  });

  it('are not taken for longer than that from a store whose clock runs apart', () => {
    const networks = new UnknownNetworks(new VirtualClock());
    networks.mark('S1', 'dev-net', 10 * unknownForMs);
    networks.mark('S1', 'data-net', -5);
    expect(networks.of('S1')).toEqual(new Map([['dev-net', unknownForMs]]));
  });
});
