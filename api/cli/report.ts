import { AccessError } from '../client/access.ts';
import { KubeconfigError } from '../client/kubeconfig.ts';
import { TransportError } from '../client/transport.ts';
import { ApiError } from '../machinery/errors.ts';
import { CommandError, exitCodes, type ExitCode } from './errors.ts';
import { JsonPathError } from '../machinery/jsonpath/ast.ts';

/** What an error means to the person and to the shell. */
export interface Report {
  text: string;
  exitCode: ExitCode;
}

export function reportOf(error: unknown): Report {
  if (error instanceof CommandError) return { text: error.message, exitCode: error.exitCode };
  if (error instanceof ApiError) return { text: refusalText(error), exitCode: exitCodes.failed };
  if (error instanceof TransportError) {
    return { text: `cannot reach the server: ${error.message}`, exitCode: exitCodes.unreachable };
  }
  const usage =
    error instanceof KubeconfigError ||
    error instanceof AccessError ||
    error instanceof JsonPathError;
  if (usage) return { text: error.message, exitCode: exitCodes.usage };
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { text: `internal error: ${text}`, exitCode: exitCodes.failed };
}

/** A refusal with each of its causes on a line. */
export function refusalText(error: ApiError): string {
  const head = `${error.reason} (${error.code}): ${error.message}`;
  const causes = (error.details?.causes ?? []).filter(({ field }) => field !== undefined);
  if (causes.length < 2) return head;
  const lines = causes.map(({ field, message }) => `  ${field ?? ''}: ${message ?? ''}`);
  return [`${error.reason} (${error.code}):`, ...lines].join('\n');
}
