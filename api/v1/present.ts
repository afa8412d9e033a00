/** `{name: map}` with every value changed by `change`, or nothing at all if the map is empty. */
export function present<K extends string>(
  name: K,
  map: Readonly<Record<string, string>> | undefined,
  change: (value: string) => string = (value) => value,
): Partial<Record<K, Record<string, string>>> {
  const entries = Object.entries(map ?? {});
  const result: Partial<Record<K, Record<string, string>>> = {};
  if (entries.length === 0) return result;
  result[name] = Object.fromEntries(entries.map(([key, value]) => [key, change(value)]));
  return result;
}
