import { statusSchema } from '../../machinery/errors.ts';
import { channels, type ChannelSocket } from '../../machinery/channel-socket.ts';
import { refusal } from '../../client/decode.ts';
import { TransportError } from '../../client/transport.ts';
import type { Context } from '../context.ts';

export interface WindowSize {
  rows: number;
  columns: number;
}

export type SessionInput = { data: Uint8Array } | { size: WindowSize };

/**
 * Talks over the channels of exec or attach until the server says how it ended, and resolves with the
 * exit code. Without input nothing is sent. Rejects with the ApiError that the server ended it with, or a TransportError.
 */
export async function runSession(
  { stdout, stderr }: Pick<Context, 'stdout' | 'stderr'>,
  socket: ChannelSocket,
  input: AsyncIterable<SessionInput> | undefined,
): Promise<number> {
  const sending = input === undefined ? Promise.resolve() : send(socket, input);
  // A connection that ends while something is sent is told by what was received.
  const unsent = sending.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => {
      if (socket.signal.aborted) return new Promise<never>(() => undefined);
      throw error;
    },
  );
  return Promise.race([receive({ stdout, stderr }, socket), unsent]);
}

async function receive(
  { stdout, stderr }: Pick<Context, 'stdout' | 'stderr'>,
  socket: ChannelSocket,
): Promise<number> {
  for await (const { channel, data } of socket.messages()) {
    if (channel === channels.error) return exitCodeOf(data);
    const output =
      channel === channels.stdout ? stdout : channel === channels.stderr ? stderr : undefined;
    output?.write(data);
    await output?.drained?.();
  }
  const { code, reason } = await socket.closed;
  const words = `the session broke off (${code}${reason === '' ? '' : `: ${reason}`})`;
  throw new TransportError(words, { sent: true });
}

async function send(socket: ChannelSocket, input: AsyncIterable<SessionInput>): Promise<void> {
  for await (const piece of input) {
    if ('data' in piece) await socket.send(channels.stdin, piece.data);
    else {
      const { columns, rows } = piece.size;
      const size = JSON.stringify({ Width: columns, Height: rows });
      await socket.send(channels.resize, Buffer.from(size));
    }
  }
  await socket.send(channels.close, Buffer.from([channels.stdin]));
}

/** The server ends every session with a metav1.Status. */
function exitCodeOf(message: Buffer): number {
  const body: unknown = JSON.parse(message.toString('utf8'));
  const status = statusSchema.partial({ kind: true, apiVersion: true }).parse(body);
  if (status.status === 'Success') return 0;
  const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode');
  const code = Number(cause?.message);
  if (Number.isInteger(code) && code > 0) return code;
  throw refusal({ kind: 'Status', apiVersion: 'v1', ...status }, status.code ?? 500);
}
