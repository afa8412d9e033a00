import { ApiError } from '../../machinery/errors.ts';
import { controllersName } from '../authorization/default-roles.ts';
import { isSuperuser } from '../authorization/rbac-authorizer.ts';
import type { User } from '../registry/context.ts';

/** What lasts as long as its client wants: watches; logs, commands and attachments of tasks. */
export type StreamSort = 'watches' | 'sessions';

/** How many of each may be open at a time. */
export interface StreamBounds {
  /** Of all users. The last tenth is kept for those whom no bound of their own holds. */
  watches: number;
  watchesPerUser: number;
  /** Sessions of all users have a bound where they are relayed. */
  sessionsPerUser: number;
}

export const defaultStreamBounds: StreamBounds = {
  watches: 10_000,
  watchesPerUser: 1_000,
  sessionsPerUser: 100,
};

/** Seconds after which somebody may have closed one. */
const retryAfterSeconds = 5;

/** Counts what is open, so that no user takes the memory of this server from the others. */
export class OpenStreams {
  readonly #bounds: StreamBounds;
  readonly #all = { watches: 0, sessions: 0 };
  readonly #byUser = { watches: new Map<string, number>(), sessions: new Map<string, number>() };

  constructor(bounds: StreamBounds) {
    this.#bounds = bounds;
  }

  /** One more is to be opened; returns what says that it is over, once. Throws 429. */
  enter(sort: StreamSort, user: User | undefined): () => void {
    const name = user?.name ?? '';
    const open = this.#byUser[sort];
    const own = open.get(name) ?? 0;
    this.#check(sort, user, own);
    open.set(name, own + 1);
    this.#all[sort] += 1;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#all[sort] -= 1;
      const rest = (open.get(name) ?? 1) - 1;
      if (rest > 0) open.set(name, rest);
      else open.delete(name);
    };
  }

  #check(sort: StreamSort, user: User | undefined, own: number): void {
    const { watches, watchesPerUser, sessionsPerUser } = this.#bounds;
    const exempt = isExempt(user);
    const perUser = sort === 'watches' ? watchesPerUser : sessionsPerUser;
    if (!exempt && own >= perUser) {
      throw refusal(
        `user ${JSON.stringify(user?.name ?? '')} has ${own} ${sort} open on this server, as many as one user may: close some, or let programs share theirs. Operators set the bound: api.limits.${sort}PerUser`,
      );
    }
    const room = exempt ? watches : Math.ceil(watches * 0.9);
    if (sort === 'watches' && this.#all.watches >= room) {
      throw refusal(
        `this server has ${this.#all.watches} watches open, as many as it may: ask another one, or come again. Operators set the bound: api.limits.watches`,
      );
    }
  }
}

/** Those without whom nobody could mend anything, and the loops that keep tasks running. */
function isExempt(user: User | undefined): boolean {
  return user !== undefined && (isSuperuser(user) || user.name === controllersName);
}

function refusal(message: string): ApiError {
  return new ApiError('TooManyRequests', message, { details: { retryAfterSeconds } });
}
