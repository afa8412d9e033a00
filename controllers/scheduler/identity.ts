import { frameworkAnnotations, type Framework } from '../../api/v1/framework.ts';

/** Under which framework id we may subscribe: a pure function of what is stored. */

export type IdentityDecision =
  /** Without an id the master gives a new one. */
  | { kind: 'subscribe'; id: string | undefined }
  /** An operator names the id. */
  | { kind: 'adopt'; id: string }
  /** An operator says that all tasks are dead. */
  | { kind: 'reset' }
  | { kind: 'block'; reason: BlockReason; message: string };

export type BlockReason = 'FrameworkRemoved' | 'FrameworkIdMissing';

export interface IdentityState {
  framework: Framework;
  /** Tasks that were bound to an agent and are not known to be dead. */
  liveTasks: number;
  /** Framework ids that those tasks were launched under. */
  launchedUnder: readonly string[];
}

/**
 * Masters accept made-up ids silently and know none of the tasks of another framework, so a wrong id
 * looks like the death of all tasks. Where the id is in doubt, an operator decides.
 */
export function decideIdentity(state: IdentityState): IdentityDecision {
  const { metadata, status } = state.framework;
  const adopt = metadata.annotations?.[frameworkAnnotations.adopt];
  if (adopt !== undefined && adopt !== '') return { kind: 'adopt', id: adopt };
  if (metadata.annotations?.[frameworkAnnotations.reset] === 'true') return { kind: 'reset' };
  if (status?.state === 'Blocked' && status.reason === 'FrameworkRemoved') {
    return { kind: 'block', reason: 'FrameworkRemoved', message: status.message ?? removed() };
  }
  if (status?.id === undefined && state.liveTasks > 0) {
    return { kind: 'block', reason: 'FrameworkIdMissing', message: missing(state) };
  }
  return { kind: 'subscribe', id: status?.id };
}

const remedy =
  'run "cosm framework adopt ID" if its tasks live under another id, or "cosm framework reset --confirm-all-dead" if all of them are dead';

/** What is said once a master has refused the id for good. */
export function removed(): string {
  return `Mesos has removed the framework: it does not take its id any more; ${remedy}`;
}

function missing({ liveTasks, launchedUnder }: IdentityState): string {
  const under =
    launchedUnder.length === 0 ? '' : ` (launched under framework ${launchedUnder.join(', ')})`;
  return `${liveTasks} tasks live${under}, but the id of the framework is not known; ${remedy}`;
}

/** Texts of ERROR events, as Mesos' master writes them. */
export type MasterError = 'Removed' | 'FailedOver' | 'Other';

export function classifyError(message: string): MasterError {
  if (message.includes('Framework has been removed')) return 'Removed';
  if (message.includes('Framework failed over')) return 'FailedOver';
  return 'Other';
}
