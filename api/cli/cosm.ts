import { once } from 'node:events';
import { homedir } from 'node:os';
import { addAbortSignal, type Writable } from 'node:stream';
import { systemClock } from '../machinery/clock.ts';
import { systemRandom } from '../machinery/random.ts';
import type { Input, Output } from './context.ts';
import { CommandError } from './errors.ts';
import { main } from './main.ts';

/** The composition root of the command line: the process's own streams, clock and signals. */

function output(stream: Writable & { isTTY?: boolean }): Output {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // `cosm get jobs | head`: the reader has what it wanted.
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    write: (data) => void stream.write(data),
    drained: async () => {
      if (stream.writableNeedDrain) await once(stream, 'drain');
    },
    isTerminal: stream.isTTY === true,
  };
}

function input(): Input {
  const { stdin, stdout } = process;
  const chunks = (signal: AbortSignal): AsyncIterable<Uint8Array> => addAbortSignal(signal, stdin);
  if (!stdin.isTTY) return { chunks };
  return {
    chunks,
    terminal: {
      setRaw: (raw) => void stdin.setRawMode(raw),
      size: () => ({ rows: stdout.rows || 24, columns: stdout.columns || 80 }),
      onResize: (callback) => {
        stdout.on('resize', callback);
        return () => void stdout.off('resize', callback);
      },
    },
  };
}

async function readStdin(maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new CommandError('failed', `standard input is longer than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interruption.abort();
  });
}

process.exitCode = await main(process.argv.slice(2), {
  stdout: output(process.stdout),
  stderr: output(process.stderr),
  readStdin,
  env: process.env,
  cwd: process.cwd(),
  home: homedir(),
  stdin: input(),
  clock: systemClock(),
  random: systemRandom(),
  signal: interruption.signal,
});
