/** Lists that Mesos writes in JSON also when they are empty, by the member that they are in. */
export type ShownLists = Readonly<Record<string, readonly string[]>>;

/** Puts in the lists that a JSON answer of Mesos has though nothing is in them. */
export function withEmptyLists(body: Uint8Array, lists: ShownLists): Uint8Array {
  const value: unknown = JSON.parse(Buffer.from(body).toString());
  fill(value, lists);
  return Buffer.from(JSON.stringify(value));
}

function fill(value: unknown, lists: ShownLists): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    // What these members hold are lists of the things themselves: nothing further down is one.
    if (!name.startsWith('get_') || typeof member !== 'object' || member === null) continue;
    for (const list of lists[name] ?? []) {
      if (!(list in member)) Reflect.set(member, list, []);
    }
    fill(member, lists);
  }
}
