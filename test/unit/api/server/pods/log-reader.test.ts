import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../../api/machinery/clock.ts';
import {
  contents,
  limited,
  merged,
  tailOffset,
  wholeLines,
} from '../../../../../api/server/pods/log-reader.ts';
import { agentFiles, type AgentFiles } from '../../../../../proto/mesos/agent-files.ts';
import { startFileAgent, type FileAgent } from '../../../../support/file-agent.ts';

async function* chunksOf(parts: readonly string[]): AsyncGenerator<Buffer, void, undefined> {
  for (const part of parts) yield await Promise.resolve(Buffer.from(part));
}

async function all(chunks: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const chunk of chunks) found.push(chunk);
  return found;
}

const someText = fc.array(fc.stringMatching(/^[ab\n]{0,8}$/), { maxLength: 8 });

describe('a stream of text', () => {
  it('is cut after whole lines, and stays what it is', async () => {
    await fc.assert(
      fc.asyncProperty(someText, async (parts) => {
        const cut = await all(wholeLines(chunksOf(parts)));
        expect(Buffer.concat(cut).toString()).toBe(parts.join(''));
        for (const piece of cut.slice(0, -1)) expect(piece.at(-1)).toBe(0x0a);
      }),
    );
  });

  it('passes on a line that is longer than may wait', async () => {
    const long = 'x'.repeat(70_000);
    const stream = wholeLines(chunksOf([long, long, '\n']));
    expect((await stream.next()).value).toHaveLength(70_000);
    await stream.return();
  });

  it('is no longer than its limit', async () => {
    await fc.assert(
      fc.asyncProperty(someText, fc.integer({ min: 1, max: 30 }), async (parts, limit) => {
        const cut = Buffer.concat(await all(limited(chunksOf(parts), limit)));
        expect(cut.toString()).toBe(parts.join('').slice(0, limit));
      }),
    );
  });

  it('is mixed with another line by line, each in its own order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(9)), fc.array(fc.nat(9)), async (left, right) => {
        const lines = (name: string, numbers: number[]) =>
          numbers.map((each) => `${name}${each}\n`);
        const mixed = Buffer.concat(
          await all(
            merged([
              wholeLines(chunksOf(lines('l', left))),
              wholeLines(chunksOf(lines('r', right))),
            ]),
          ),
        ).toString();
        const of = (name: string): string[] =>
          mixed.split(/(?<=\n)/).filter((line) => line.startsWith(name));
        expect(of('l')).toEqual(lines('l', left));
        expect(of('r')).toEqual(lines('r', right));
      }),
    );
  });

  it('ends the others when it fails', async () => {
    let ended = false;
    async function* endless(): AsyncGenerator<Buffer, void, undefined> {
      try {
        for (;;) yield await Promise.resolve(Buffer.from('x\n'));
      } finally {
        ended = true;
      }
    }
    async function* broken(): AsyncGenerator<Buffer, void, undefined> {
      yield await Promise.resolve(Buffer.from('a\n'));
      throw new Error('the agent is gone');
    }
    await expect(all(merged([endless(), broken()]))).rejects.toThrow('the agent is gone');
    expect(ended).toBe(true);
  });
});

describe('a file of an agent', () => {
  let agent: FileAgent;
  let files: AgentFiles;
  const stopped = new AbortController();
  beforeAll(async () => {
    agent = await startFileAgent();
    files = agentFiles({
      clock: systemClock(),
      format: 'json',
      agent: { hostname: '127.0.0.1', port: agent.port },
      signal: stopped.signal,
    });
  });
  afterAll(async () => {
    await files.close();
    await agent.stop();
  });

  it('ends with as many lines as are asked for', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.stringMatching(/^[a\n]{0,20}$/),
        fc.integer({ min: 0, max: 8 }),
        async (text, lines) => {
          agent.files.set('/log', Buffer.from(text));
          const offset = await tailOffset({ files, path: '/log' }, lines);
          const wanted = lines === 0 ? [] : text.split(/(?<=\n)/).slice(-lines);
          expect(text.slice(offset)).toBe(wanted.join(''));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is read whole, whatever its bytes', async () => {
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 256));
    agent.files.set('/bytes', bytes);
    const read = Buffer.concat(await all(contents({ files, path: '/bytes' }, 0, undefined)));
    expect(read.equals(bytes)).toBe(true);
  });

  it('fails when it is cut short, so that its end is never mistaken', async () => {
    agent.files.set('/log', Buffer.from('first\n'));
    const leaving = new AbortController();
    const following = contents({ files, path: '/log' }, 0, {
      clock: systemClock(),
      signal: leaving.signal,
      ended: () => Promise.resolve(false),
    });
    expect((await following.next()).value?.toString()).toBe('first\n');
    leaving.abort(new Error('the server stops'));
    await expect(following.next()).rejects.toThrow('the server stops');
  });

  it('is not there: so it is said', async () => {
    expect(await tailOffset({ files, path: '/nothing' }, 3)).toBeUndefined();
    expect(await files.modified('/', 'nothing')).toBeUndefined();
  });
});
