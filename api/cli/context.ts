import type { Clock } from '../machinery/clock.ts';
import type { Random } from '../machinery/random.ts';

/** A stream that a command writes to. */
export interface Output {
  write(data: string | Uint8Array): void;
  /** Resolves once what was written has been taken; for those who write much. At once if absent. */
  drained?(): Promise<void>;
  /** A person reads it: colour and progress are welcome. */
  isTerminal: boolean;
}

/** What is typed or piped, for commands that hand it on. */
export interface Input {
  /** Ends with the input; throws once the signal aborts. */
  chunks(signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** If a person types. */
  terminal?: Terminal;
}

export interface Terminal {
  /** Keys as they are typed, not shown, Ctrl-C among them. */
  setRaw(raw: boolean): void;
  size(): { rows: number; columns: number };
  /** Returns what ends it. */
  onResize(callback: () => void): () => void;
}

/** Everything that a command may touch besides the server: tests give their own. */
export interface Context {
  stdout: Output;
  stderr: Output;
  /** All of standard input; rejects beyond `maxBytes`. */
  readStdin(maxBytes: number): Promise<string>;
  env: Readonly<Record<string, string | undefined>>;
  /** Directory that relative file names start from. */
  cwd: string;
  home: string;
  stdin: Input;
  clock: Clock;
  random: Random;
  /** Aborts on Ctrl-C. */
  signal: AbortSignal;
}

/** One call of a command: operands and options are as the command line gave them, not yet checked. */
export interface Invocation {
  context: Context;
  args: readonly string[];
  options: unknown;
}

/** A command's file, imported when it is called. */
export interface CommandModule {
  run(invocation: Invocation): Promise<void>;
}
