/** Kubernetes' order of versions: stable ones first, then beta, then alpha; the newest of each first. */
export function byVersionPriority(left: string, right: string): number {
  const [first, second] = [rank(left), rank(right)];
  if (first === undefined || second === undefined) {
    if (first !== undefined) return -1;
    if (second !== undefined) return 1;
    return left < right ? -1 : Number(left > right);
  }
  const at = first.findIndex((part, index) => part !== second[index]);
  return at < 0 ? 0 : (second[at] ?? 0) - (first[at] ?? 0);
}

/** Stability, major and minor number; undefined for a name of another form, which comes last. */
function rank(version: string): [number, number, number] | undefined {
  const found = /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/.exec(version);
  if (found === null) return undefined;
  const [, major, stage, minor] = found;
  const stability = stage === undefined ? 3 : stage === 'beta' ? 2 : 1;
  return [stability, Number(major), Number(minor ?? 0)];
}
