import { PassThrough } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { BodyMemory, readBody } from '../../../../../api/server/http/body.ts';
import { limits } from '../../../../../api/server/http/limits.ts';

/** What readBody looks at of a request. */
function requestOf(...chunks: readonly Buffer[]): IncomingMessage {
  const stream = new PassThrough();
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  return Object.assign(stream, { headers: {}, complete: true }) as unknown as IncomingMessage;
}

const half = Buffer.alloc(limits.bodyBytes / 2);

it('bodies find no room beyond the bound of all together, until one has gone', async () => {
  const memory = new BodyMemory();
  const most = Math.floor(limits.allBodiesBytes / limits.bodyBytes);
  for (let index = 0; index < most; index += 1) await readBody(requestOf(half, half), memory);
  await expect(readBody(requestOf(half, half), memory)).rejects.toMatchObject({
    reason: 'TooManyRequests',
    details: { retryAfterSeconds: 1 },
  });
  memory.giveBack(limits.bodyBytes);
  expect(await readBody(requestOf(half, half), memory)).toHaveLength(limits.bodyBytes);
});

it('a body that is refused takes no room', async () => {
  const memory = new BodyMemory();
  for (let index = 0; index < 100; index += 1) {
    await expect(readBody(requestOf(half, half, half), memory)).rejects.toMatchObject({
      reason: 'RequestEntityTooLarge',
    });
  }
  memory.take(limits.allBodiesBytes);
});
