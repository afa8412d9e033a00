import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
      children: z.array(z.number()).optional(),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});
type Profile = z.infer<typeof profileSchema>;

export interface Hotspot {
  /** `function file:line`, as the bundle has them. */
  where: string;
  /** Share of the busy time (0 to 1) in the function itself. */
  self: number;
  /** The same with everything that it called. */
  total: number;
}

const idle = new Set(['(idle)', '(root)', '(program)']);

/** Where the time went, by function, the most expensive in themselves first. */
export function hotspots(profile: Profile): Hotspot[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map<number, number>();
  for (const { id, children = [] } of profile.nodes) {
    for (const child of children) parents.set(child, id);
  }
  const nameOf = (id: number): string => {
    const frame = nodes.get(id)?.callFrame;
    if (frame === undefined) return '(unknown)';
    const { functionName, url, lineNumber } = frame;
    const name = functionName === '' ? '(anonymous)' : functionName;
    return url === '' ? name : `${name} ${url.split('/').at(-1) ?? ''}:${lineNumber + 1}`;
  };
  const selfTimes = new Map<string, number>();
  const totalTimes = new Map<string, number>();
  let busy = 0;
  for (const [index, sample] of profile.samples.entries()) {
    if (idle.has(nameOf(sample))) continue;
    // The time until the next sample is this one's.
    const time = profile.timeDeltas[index + 1] ?? 0;
    busy += time;
    selfTimes.set(nameOf(sample), (selfTimes.get(nameOf(sample)) ?? 0) + time);
    const seen = new Set<string>();
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) {
      const name = nameOf(id);
      if (!seen.has(name)) totalTimes.set(name, (totalTimes.get(name) ?? 0) + time);
      seen.add(name);
    }
  }
  return [...totalTimes]
    .filter(([where]) => !idle.has(where))
    .map(([where, total]) => ({
      where,
      self: (selfTimes.get(where) ?? 0) / busy,
      total: total / busy,
    }))
    .sort((a, b) => b.self - a.self);
}

/** Lines that show the profile which cosmd has left in `directory`. */
export function describeProfile(directory: string, most = 15): string[] {
  const [file] = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) return [`no profile was written to ${directory}`];
  const path = join(directory, file);
  const spots = hotspots(profileSchema.parse(JSON.parse(readFileSync(path, 'utf8'))));
  const line = ({ where, self, total }: Hotspot): string =>
    `  ${(self * 100).toFixed(1).padStart(5)} % itself  ${(total * 100).toFixed(1).padStart(5)} % with callees  ${where}`;
  return [`profile of cosmd: ${path}`, ...spots.slice(0, most).map(line)];
}
