import { homedir } from 'node:os';
import type { Writable } from 'node:stream';
import { systemClock } from '../machinery/clock.ts';
import type { Output } from './context.ts';
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
    isTerminal: stream.isTTY === true,
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
  clock: systemClock(),
  signal: interruption.signal,
});
