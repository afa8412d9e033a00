import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  Connections,
  networkOf,
  type ConnectionBounds,
  type CutReason,
} from '../../../../../api/server/http/connections.ts';

let server: Server | undefined;
const clients: Socket[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  server?.close();
});

/** A server with these bounds, and the connections that it has, as it sees them. */
async function serve(bounds: ConnectionBounds) {
  const cuts: CutReason[] = [];
  const accepted: Socket[] = [];
  const own = (server = createServer((socket) => {
    accepted.push(socket);
    socket.on('error', () => undefined);
  }));
  const connections = new Connections(own, bounds, (why) => cuts.push(why));
  // It speaks TLS, as far as anybody here can tell.
  own.on('connection', (socket) => own.emit('secureConnection', socket));
  own.listen(0, '127.0.0.1');
  await once(own, 'listening');
  /** One more from an address; whether it is open still. */
  const dial = async (localAddress: string): Promise<() => boolean> => {
    const { port } = own.address() as AddressInfo;
    const before = accepted.length;
    const client = connect({ port, host: '127.0.0.1', localAddress });
    client.on('error', () => undefined);
    clients.push(client);
    await expect.poll(() => accepted.length).toBe(before + 1);
    const socket = accepted[before];
    return () => socket?.destroyed === false;
  };
  return { connections, cuts, accepted, dial };
}

describe('connections', () => {
  it('of one address make room for each other, the oldest first, and for those of no other', async () => {
    const { dial, cuts } = await serve({ all: 100, perAddress: 3 });
    const other = await dial('127.0.0.2');
    const open = [];
    for (let count = 0; count < 5; count += 1) open.push(await dial('127.0.0.1'));
    expect(open.map((isOpen) => isOpen())).toEqual([false, false, true, true, true]);
    expect(other()).toBe(true);
    expect(cuts).toEqual(['address', 'address']);
  });

  it('of all addresses make room for each other, the oldest first', async () => {
    const { dial, cuts } = await serve({ all: 3, perAddress: 2 });
    const open = [];
    for (const host of [1, 2, 3, 4]) open.push(await dial(`127.0.0.${host}`));
    expect(open.map((isOpen) => isOpen())).toEqual([false, true, true, true]);
    expect(cuts).toEqual(['all']);
  });

  it('that somebody known has used stay, and those who come make no room but their own', async () => {
    const { dial, connections, accepted } = await serve({ all: 2, perAddress: 2 });
    const first = await dial('127.0.0.1');
    const second = await dial('127.0.0.2');
    for (const socket of accepted) connections.known(socket);
    const third = await dial('127.0.0.1');
    expect([first(), second(), third()]).toEqual([true, true, false]);
  });

  it('that have ended leave their place', async () => {
    const { dial, cuts, accepted } = await serve({ all: 2, perAddress: 1 });
    for (let count = 0; count < 4; count += 1) {
      const isOpen = await dial('127.0.0.1');
      clients.at(-1)?.destroy();
      accepted.at(-1)?.resume();
      await expect.poll(isOpen).toBe(false);
    }
    expect(cuts).toEqual([]);
  });
});

it.each([
  ['10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['fe80::1', 'fe80:0:0:0'],
  ['::1', '0:0:0:0'],
  ['1:2:3:4:5:6:7::', '1:2:3:4'],
  ['', ''],
])('%s is of %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
