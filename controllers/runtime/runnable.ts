/** Something that runs until its signal aborts, and has stopped everything of its own when it returns. */
export interface Runnable {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}
