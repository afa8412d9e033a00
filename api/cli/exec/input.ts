import type { Terminal } from '../context.ts';
import type { SessionInput } from './session.ts';

/** What is typed and, with a terminal, each new size of its window, in the order of time. */
export async function* sessionInput(
  chunks: AsyncIterable<Uint8Array>,
  terminal: Terminal | undefined,
  signal: AbortSignal,
): AsyncGenerator<SessionInput> {
  const queue: SessionInput[] = [];
  let wake = (): void => undefined;
  let taken = (): void => undefined;
  const state = { done: false };
  const stop = terminal?.onResize(() => {
    queue.push({ size: terminal.size() });
    wake();
  });
  const reading = (async () => {
    try {
      for await (const data of chunks) {
        queue.push({ data });
        wake();
        // Nothing is read before what was read is sent.
        await new Promise<void>((resolve) => (taken = resolve));
      }
    } catch (error) {
      // The session is over: nobody types into it any more.
      if (!signal.aborted) throw error;
    } finally {
      state.done = true;
      wake();
    }
  })();
  try {
    for (;;) {
      const next = queue.shift();
      if (next !== undefined) {
        yield next;
        if (queue.length === 0) taken();
      } else if (state.done || signal.aborted) break;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    await reading;
  } finally {
    stop?.();
  }
}
