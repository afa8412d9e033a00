import type { Acl, Authentication, Stat } from './client.ts';
import { malformed, ZooKeeperError } from './errors.ts';
import { encodeFrame } from './frames.ts';
import { JuteWriter, type JuteReader } from './jute.ts';

/** Request types (ZooDefs.OpCode); all of them exist since ZooKeeper 3.4. */
export const opcode = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  auth: 100,
  setWatches: 101,
  closeSession: -11,
} as const;

/** Transaction ids of requests that are not the caller's; theirs count up from 1. */
export const reservedXid = { event: -1, ping: -2, auth: -4, setWatches: -8 } as const;

/** A server with the default `jute.maxbuffer` cuts the connection at one byte more. */
export const maxRequestBytes = 1_048_575;

export interface ConnectRequest {
  /** A server that is behind this closes the connection without a word. */
  readonly lastZxidSeen: bigint;
  readonly timeoutMs: number;
  /** 0 for a new session. */
  readonly sessionId: bigint;
  readonly password: Uint8Array;
}

export interface ConnectResponse {
  /** What was negotiated; 0 or less means that the session has expired. */
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Buffer;
}

export interface ReplyHeader {
  readonly xid: number;
  readonly zxid: bigint;
  readonly error: number;
}

export interface WatchNotification {
  readonly type: 'created' | 'deleted' | 'changed' | 'children';
  readonly path: string;
}

export function encodeConnectRequest(request: ConnectRequest): Buffer {
  const writer = new JuteWriter()
    .int(0)
    .long(request.lastZxidSeen)
    .int(request.timeoutMs)
    .long(request.sessionId)
    .buffer(request.password)
    .boolean(false);
  return encodeFrame(writer.finish());
}

/** The trailing `readOnly` byte, which servers before 3.4 leave out, says nothing to us. */
export function decodeConnectResponse(reader: JuteReader): ConnectResponse {
  reader.int();
  return { timeoutMs: reader.int(), sessionId: reader.long(), password: reader.buffer() };
}

/** One request frame. Throws REQUEST_TOO_LARGE, since a server would only hang up. */
export function encodeRequest(
  xid: number,
  code: number,
  body: (writer: JuteWriter) => void,
  description = `request ${code}`,
): Buffer {
  const writer = new JuteWriter().int(xid).int(code);
  body(writer);
  const payload = writer.finish();
  if (payload.length > maxRequestBytes) {
    throw new ZooKeeperError(
      'REQUEST_TOO_LARGE',
      'not-sent',
      `${description} takes ${payload.length} bytes, at most ${maxRequestBytes} are accepted`,
    );
  }
  return encodeFrame(payload);
}

export function encodePing(): Buffer {
  return encodeRequest(reservedXid.ping, opcode.ping, () => undefined);
}

export function encodeAuthentication({ scheme, credentials }: Authentication): Buffer {
  return encodeRequest(reservedXid.auth, opcode.auth, (writer) => {
    writer.int(0).string(scheme).buffer(credentials);
  });
}

export function decodeReplyHeader(reader: JuteReader): ReplyHeader {
  return { xid: reader.int(), zxid: reader.long(), error: reader.int() };
}

const notificationTypes: Readonly<Record<number, WatchNotification['type']>> = {
  1: 'created',
  2: 'deleted',
  3: 'changed',
  4: 'children',
};

/** The body of a reply whose xid is -1. */
export function decodeNotification(reader: JuteReader): WatchNotification {
  const number = reader.int();
  reader.int();
  const type = notificationTypes[number];
  if (type === undefined) throw malformed(`watch event of type ${number}`);
  return { type, path: reader.string() };
}

export function decodeStat(reader: JuteReader): Stat {
  return {
    czxid: reader.long(),
    mzxid: reader.long(),
    ctime: Number(reader.long()),
    mtime: Number(reader.long()),
    version: reader.int(),
    cversion: reader.int(),
    aversion: reader.int(),
    ephemeralOwner: reader.long(),
    dataLength: reader.int(),
    numChildren: reader.int(),
    pzxid: reader.long(),
  };
}

export function encodeAcl(writer: JuteWriter, acl: readonly Acl[]): void {
  writer.vector(acl, ({ permissions, scheme, id }) => {
    writer.int(permissions).string(scheme).string(id);
  });
}
