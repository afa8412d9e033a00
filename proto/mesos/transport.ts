/**
 * What the scheduler needs of a Mesos master, so that a simulation can stand in for HTTP.
 */
import type { SchedulerCall, SchedulerEvent } from './generated/messages.ts';

/** Where a master or an agent answers HTTP. */
export interface MesosAddress {
  readonly hostname: string;
  readonly port: number;
}

export interface SchedulerTransport {
  /**
   * Finds the leading master and subscribes there. `call` is a SUBSCRIBE.
   * Rejects with MesosRequestError. The signal ends the attempt and the subscription.
   *
   * To find and to reach the leader may take long: `mayLeave` is asked once there is a connection,
   * right before the call leaves, and before each one that a redirect asks for; if it says no, or
   * rejects, nothing is sent. A transport that takes no time need not ask.
   */
  subscribe(
    call: SchedulerCall,
    signal: AbortSignal,
    mayLeave?: () => Promise<boolean>,
  ): Promise<Subscription>;
}

/** One event stream, and the calls that belong to it. */
export interface Subscription {
  readonly streamId: string;
  readonly master: MesosAddress;
  /**
   * The events in their order; to be iterated once. A type that we do not know is absent. Ends
   * quietly after close() or the signal, otherwise throws SubscriptionLostError.
   *
   * A SUBSCRIBE that the master refuses is mostly one ERROR event and then the end.
   */
  readonly events: AsyncIterable<SchedulerEvent>;
  /**
   * Calls the master; never rejects. Acknowledgements go their own ways, those of one task one after
   * the other. All other calls are sent one after the other, each once the one before has been
   * answered, so that none overtakes another.
   *
   * `mayLeave` is asked when the call leaves, which may be long after it was made; if it says no,
   * the call is unsent.
   *
   * After an unknown outcome of such a call the subscription is given up: a copy that is still on
   * its way then carries a stream id that the master refuses once we have subscribed again.
   */
  call(call: SchedulerCall, mayLeave?: () => boolean): Promise<CallOutcome>;
  close(): void;
}

/**
 * accepted: the master took the call (the effect comes as events).
 * rejected: the master refused it; it has no effect.
 * unsent: it never left; it has no effect.
 * unknown: no answer came; it may or may not have had its effect.
 */
export type CallOutcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'rejected'; readonly status: number; readonly message: string }
  | { readonly kind: 'unsent'; readonly cause: Error }
  | { readonly kind: 'unknown'; readonly cause: Error };

/**
 * Ended: the master closed the stream. Silent: no byte for several heartbeats. Broken: the
 * connection failed, or what came was no RecordIO. CallUnanswered: a call's outcome is unknown.
 */
export type SubscriptionLostCode = 'Ended' | 'Silent' | 'Broken' | 'CallUnanswered';

export class SubscriptionLostError extends Error {
  override readonly name = 'SubscriptionLostError';
  readonly code: SubscriptionLostCode;

  constructor(code: SubscriptionLostCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
  }
}

/**
 * NoLeader: 503, or no master could name the leader. Refused: any other answer but success.
 * Unreachable: the request never left. Unanswered: no answer, or none in time. BadAnswer: not what
 * Mesos' interface promises. TooManyRedirects: masters that point at each other.
 */
export type MesosRequestErrorCode =
  'NoLeader' | 'Refused' | 'Unreachable' | 'Unanswered' | 'BadAnswer' | 'TooManyRedirects';

export class MesosRequestError extends Error {
  override readonly name = 'MesosRequestError';
  readonly code: MesosRequestErrorCode;
  /** The HTTP status of the answer, if there was one. */
  readonly status: number | undefined;

  constructor(
    code: MesosRequestErrorCode,
    message: string,
    options: { status?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.status = options.status;
  }
}
