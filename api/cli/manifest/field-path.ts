/** A step of a field path: a key of a map or an index of a list. */
export type Segment = string | number;

/**
 * The segments of a path as errors write it: `spec.template.spec.containers[0].name`,
 * `metadata.labels[app.kubernetes.io/name]`. Digits in brackets are an index. What cannot be read any
 * further is left out, so that the path leads to the nearest parent.
 */
export function parseFieldPath(path: string): Segment[] {
  const segments: Segment[] = [];
  const step = /^(?:\.?([^.[\]]+)|\[([^\]]*)\])/;
  let rest = path;
  for (;;) {
    const found = step.exec(rest);
    if (found === null) return segments;
    const [all, name, bracket = ''] = found;
    if (name !== undefined) segments.push(name);
    else segments.push(/^\d+$/.test(bracket) ? Number(bracket) : bracket.replace(/^"(.*)"$/, '$1'));
    rest = rest.slice(all.length);
  }
}
