import type { StreamAnswer } from '../request.ts';
import type { Outgoing } from './message.ts';

/**
 * Writes a stream at the pace of the client, who may pause for as long as it likes: nothing is read
 * meanwhile, and the link is probed by TCP.
 */
export async function writeStream(
  { response, head }: { response: Outgoing; head: boolean },
  answer: StreamAnswer,
): Promise<void> {
  response.setHeader('Content-Type', answer.contentType);
  response.flushHeaders();
  const gone = (): boolean => response.destroyed || response.closed;
  try {
    if (head) {
      response.end();
      return;
    }
    for await (const chunk of answer.chunks) {
      if (gone()) return;
      if (!response.write(chunk)) await taken(response);
    }
    response.end();
  } finally {
    await answer.close();
  }
}

async function taken(response: Outgoing): Promise<void> {
  if (response.closed) return;
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      response.off('drain', settle);
      response.off('close', settle);
      resolve();
    };
    response.on('drain', settle);
    response.on('close', settle);
  });
}
