import type { Directory } from './context.ts';

/** Asks for everything once: several rules about one write look at the same objects. */
export function remembered(directory: Directory): Directory {
  const objects = new Map<string, ReturnType<Directory['get']>>();
  const lists = new Map<string, ReturnType<Directory['list']>>();
  return {
    get: (plural, ref) =>
      once(objects, `${plural} ${ref.namespace ?? ''} ${ref.name}`, () =>
        directory.get(plural, ref),
      ),
    list: (plural, namespace) =>
      once(lists, `${plural} ${namespace}`, () => directory.list(plural, namespace)),
  };
}

function once<T>(known: Map<string, T>, key: string, ask: () => T): T {
  const before = known.get(key);
  if (before !== undefined) return before;
  const answer = ask();
  known.set(key, answer);
  return answer;
}
