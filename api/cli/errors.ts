/** What `cosm` tells the shell; documented in its --help. */
export const exitCodes = {
  ok: 0,
  /** Refused by the server, failed, or not found. */
  failed: 1,
  /** The command line, a kubeconfig or an environment variable says something that cannot be. */
  usage: 2,
  /** Of drift: a truth could not be read, or anything else went wrong. */
  unread: 2,
  /** What was waited for did not happen in time. */
  timeout: 3,
  /** The server, or the agent that has the logs, cannot be reached. */
  unreachable: 4,
  /** Ended by Ctrl-C or a TERM signal. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends cosm with the exit code of a command that it ran, 1 to 255; everything has been said. */
export class CommandExit extends Error {
  override readonly name = 'CommandExit';
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`the command ended with exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** Ends a command with a message for people and a code for scripts. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: ExitCode;

  constructor(code: keyof typeof exitCodes, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCodes[code];
  }
}
