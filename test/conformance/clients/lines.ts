import type { Streaming } from '../support/kubectl.ts';
import type { Watching } from './client.ts';

/** Changes out of the lines that `get --watch` prints of them below their headings: `MODIFIED  web  …`. */
export function watchingLines(stream: Streaming): Watching {
  let count = 0;
  return {
    next: async () => {
      count += 1;
      const text = await stream.until(new RegExp(`^(?:.*\\n){${count + 1}}`));
      const [type = '', name = ''] = (text.split('\n')[count] ?? '').split(/\s+/);
      return { type, name };
    },
    stop: () => stream.stop(),
  };
}
