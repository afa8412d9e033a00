import type { CommandInfo, TTYInfoWindowSize } from '../../../../proto/mesos/generated/messages.ts';

/** Runs a command in the namespaces of a container that runs already. */
export interface ContainerEntry {
  /**
   * Waits until the container has started. Undefined: no such container runs. `directory` is that of the command, within the sandbox of
   * the container; without it the command runs in the sandbox itself.
   */
  enter(
    container: string,
    request: EnterRequest,
    events: NestedEvents,
  ): Promise<NestedProcess | undefined>;
}

export interface EnterRequest {
  readonly command: CommandInfo;
  readonly directory?: string;
  /** With a terminal of this size; its output is all STDOUT. */
  readonly terminal?: TTYInfoWindowSize;
}

export interface NestedProcess {
  readonly pid: number;
  /** Resolves once the command can be signalled, or has ended. */
  readonly started: Promise<void>;
  write(data: Uint8Array): void;
  /** End of the command's input; on a terminal, what Ctrl-D is. */
  endInput(): void;
  /** Without a terminal nothing happens. */
  resize(size: TTYInfoWindowSize): void;
  /** By number, as Mesos has it. */
  signal(number: number): void;
}

export interface NestedEvents {
  output(stream: 'STDOUT' | 'STDERR', data: Uint8Array): void;
  /** All output has been told; `status` is the raw wait status. */
  exited(status: number): void;
}
