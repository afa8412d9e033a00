/** Keys of lists whose order is that of a hash table in Mesos. */
const hashOrdered = new Set([
  'tasks',
  'completed_tasks',
  'unreachable_tasks',
  'launched_tasks',
  'frameworks',
  'completed_frameworks',
  'executors',
  'containers',
  'network_infos',
  'slaves',
  'agents',
]);

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Ids are ids, and the kernel's memory statistics are the machine's. */
function normalText(message: string): string {
  return message
    .replace(uuid, 'ID')
    .replace(/ID-[OS]\d+/g, 'ID')
    .replace(/ID-\d{4}/g, 'ID')
    .replace(/[^\s:]*\/mesos-replay-\w+\/work\b/g, '/var/lib/mesos/agent')
    .replace(/(MEMORY STATISTICS: \n)[^]*/, '$1');
}

/** Which host of a network it is is the plugin's choice. */
function normalAddress(address: string): string {
  return address.replace(/^(172\.29\.1\d\.)\d+/, '$1x').replace(/^(fd29:\d+::)[0-9a-f]+/, '$1x');
}

/**
 * A value with everything replaced that is new in every run: ids, times, pids and addresses. That
 * they are there, and of which kind, stays.
 */
export function normal(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => normal(item, key));
    return hashOrdered.has(key) ? items.sort((a, b) => (stable(a) < stable(b) ? -1 : 1)) : items;
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return Object.fromEntries(
      entries.map(([name, item]) => [name, normal(item, name === 'nanoseconds' ? key : name)]),
    );
  }
  if (typeof value === 'string') {
    if (key.endsWith('uuid')) return 'UUID';
    if (key === 'ip_address') return normalAddress(value);
    return normalText(value);
  }
  if (typeof value === 'number') {
    if (key === 'executor_pid') return 'PID';
    const isTime = /_time$|^timestamp$|^mtime$|uptime_secs$/.test(key);
    return isTime && value > 0 ? 'TIME' : value;
  }
  return value;
}

/** JSON with keys in order. */
export function stable(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
