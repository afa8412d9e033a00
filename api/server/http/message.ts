import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

/** What is read of a request, in whichever version of HTTP it came: an IncomingMessage is one. */
export interface Incoming {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  /** Of its connection. */
  readonly socket: Socket;
  /** Whether it has come to its end. */
  readonly complete: boolean;
  /** Its body. */
  iterator(options: { destroyOnReturn: boolean }): AsyncIterable<Buffer>;
}

/** Where an answer is written to, in whichever version of HTTP: a ServerResponse is one. */
export interface Outgoing {
  statusCode: number;
  /** Nobody is at the other end any more. */
  readonly destroyed: boolean;
  readonly closed: boolean;
  /** What was written last is still on its way. */
  readonly writableNeedDrain: boolean;
  setHeader(name: string, value: string | number | readonly string[]): unknown;
  hasHeader(name: string): boolean;
  flushHeaders(): void;
  /** Whether more can be written before `drain`. */
  write(chunk: Uint8Array): boolean;
  end(chunk?: Uint8Array): unknown;
  /** Breaks the answer off, so that the client can tell. */
  destroy(): unknown;
  on(event: 'drain' | 'finish' | 'close', listener: () => void): unknown;
  once(event: 'drain' | 'finish' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'finish' | 'close', listener: () => void): unknown;
}
