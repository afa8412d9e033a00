import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import type { Identity } from '../golden/wire.ts';

/** Frames of HTTP/2 by hand (RFC 9113 4.1): no client library keeps to the rules. */

export const frameTypes = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flags = { endStream: 1, endHeaders: 4 } as const;

const nothing: Buffer = Buffer.alloc(0);

export function frame(
  type: keyof typeof frameTypes,
  { stream = 0, flags: set = 0, payload = nothing } = {},
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = frameTypes[type];
  head[4] = set;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Headers of a request, names and values as they are: HPACK without compression (RFC 7541 6.2.2). */
export function requestHeaders(
  method: string,
  path: string,
  more: Readonly<Record<string, string>> = {},
): Buffer {
  const text = (value: string): Buffer =>
    Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  // `:method`, `:path` and `:authority` by their index; 7 is `:scheme: https`.
  const known = [[0x02, method] as const, [0x04, path] as const, [0x01, 'x'] as const];
  return Buffer.concat([
    Buffer.from([0x87]),
    ...known.flatMap(([index, value]) => [Buffer.from([index]), text(value)]),
    ...Object.entries(more).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]),
  ]);
}

/** A connection that has agreed on HTTP/2 and sent what comes first. */
export async function dialHttp2(port: number, identity: Identity): Promise<TLSSocket> {
  const [ca, cert, key] = [identity.caFile, identity.certFile, identity.keyFile].map((file) =>
    file === undefined ? undefined : readFileSync(file),
  );
  const socket = connect({
    port,
    host: '127.0.0.1',
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ALPNProtocols: ['h2'],
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame('settings')]));
  return socket;
}
