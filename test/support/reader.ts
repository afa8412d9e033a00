import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';

const python = '/usr/bin/python3';
const script = fileURLToPath(new URL('read_members.py', import.meta.url));

const endpointSchema = z.strictObject({ host: z.string(), port: z.number() });
const memberSchema = z.strictObject({
  member: z.number(),
  service: endpointSchema,
  additional: z.record(z.string(), endpointSchema),
  shard: z.number().nullable(),
  status: z.literal('ALIVE'),
  metadata: z.record(z.string(), z.string()),
});
/** An ALIVE member as a Python client understands it. */
export type ReadMember = z.infer<typeof memberSchema>;

const lookSchema = z.strictObject({
  begin: z.number(),
  end: z.number(),
  whole: z.boolean(),
  members: z.array(memberSchema),
});
/**
 * One look at a path. It begins and ends at these times, in milliseconds of the wall clock. It is whole if no
 * node came or went meanwhile: else its members may never have been all of one moment.
 */
export type Look = z.infer<typeof lookSchema>;

export interface ReaderOptions {
  connectString: string;
  path: string;
  /** With it the reader uses TLS. */
  caFile?: string;
}

function argumentsOf({ connectString, path, caFile }: ReaderOptions): string[] {
  return [...(caFile === undefined ? [] : ['--ca', caFile]), connectString, path];
}

/** What a reader sees that shares no code with us: Debian's python3-kazoo, without any identity. */
export async function readMembers(options: ReaderOptions): Promise<ReadMember[]> {
  const { stdout } = await promisify(execFile)(python, [script, ...argumentsOf(options)], {
    timeout: 20_000,
  });
  return z.array(memberSchema).parse(JSON.parse(stdout));
}

/** Such a reader that looks at every change of a path and remembers all that it saw. */
export class FollowingReader {
  /** In order; at least one. */
  readonly looks: Look[] = [];
  readonly #child: ChildProcess;
  #errors = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null || child.stderr === null) throw new Error('the reader says nothing');
    child.stderr.on('data', (text: Buffer) => (this.#errors += text.toString()));
    createInterface(child.stdout).on('line', (line) => {
      this.looks.push(lookSchema.parse(JSON.parse(line)));
    });
  }

  /** Resolves once it has looked for the first time. */
  static async start(options: ReaderOptions): Promise<FollowingReader> {
    const child = spawn(python, [script, '--follow', ...argumentsOf(options)]);
    const reader = new FollowingReader(child);
    const ended = once(child, 'exit');
    while (reader.looks.length === 0) {
      if (child.exitCode !== null) throw new Error(`the reader ended: ${reader.#errors}`);
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
    return reader;
  }

  /** How many members it saw in each look from `first` on that was whole. */
  counts(first = 0): number[] {
    return this.looks
      .slice(first)
      .filter(({ whole }) => whole)
      .map(({ members }) => members.length);
  }

  /** What it saw last. */
  get members(): readonly ReadMember[] {
    return this.looks.at(-1)?.members ?? [];
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.stdin?.end();
      await ended;
    }
    if (this.#child.exitCode !== 0) throw new Error(`the reader failed: ${this.#errors}`);
  }
}
