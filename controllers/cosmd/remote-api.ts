import type { Logger } from 'pino';
import { httpsTransport } from '../../api/client/https.ts';
import type { ApiAccess } from '../../api/client/access.ts';
import type { ApiRequest, ApiResponse, Transport } from '../../api/client/transport.ts';
import { sleep, type Clock } from '../../api/machinery/clock.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { RemoteLink } from './remote-link.ts';

export interface RemoteApiOptions {
  /** Reads where the API is and who we are there. */
  load: () => Promise<ApiAccess>;
  userAgent: string;
  clock: Clock;
  logger: Pick<Logger, 'info' | 'error'>;
}

/** The kubeconfig, and the files that it names, are read so often; two looks must find the same. */
const lookMs = 5_000;
const trialMs = 10_000;

/**
 * The API in other processes, as a kubeconfig says now: certificates in it are renewed in place. What it
 * says anew counts once the API takes it, for every request from then on; watches that are open go on.
 */
export class RemoteApi implements Transport, Runnable {
  readonly name = 'kubeconfig';
  readonly #options: RemoteApiOptions;
  #current: RemoteLink;
  /** Those of before: watches are open over them, or they are about to end. */
  readonly #former = new Set<RemoteLink>();
  /** What counts, and what the last look found. */
  #taken: string;
  #seen: string;
  /** Why the last look was in vain, and why it was when that was last logged. */
  #fault = '';
  #logged = '';

  private constructor(options: RemoteApiOptions, access: ApiAccess) {
    this.#options = options;
    this.#current = this.#open(access);
    this.#taken = textOf(access);
    this.#seen = this.#taken;
  }

  /** Throws what is wrong with the kubeconfig. */
  static async open(options: RemoteApiOptions): Promise<RemoteApi> {
    return new RemoteApi(options, await options.load());
  }

  request(request: ApiRequest, signal?: AbortSignal): Promise<ApiResponse> {
    return this.#current.request(request, signal);
  }

  async *watch(request: ApiRequest, signal: AbortSignal): AsyncGenerator<unknown, void, undefined> {
    // Here, not where it is called: nobody may have begun to read for long.
    yield* this.#current.watch(request, signal);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      await sleep(clock, lookMs, signal);
      if (!isOver()) await this.#look();
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#current, ...this.#former].map((link) => link.close()));
  }

  async #look(): Promise<void> {
    try {
      const access = await this.#options.load();
      const text = textOf(access);
      const isSettled = text === this.#seen;
      this.#seen = text;
      if (isSettled && text !== this.#taken) await this.#take(access, text);
      if (isSettled) this.#fault = this.#logged = '';
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error));
    }
  }

  async #take(access: ApiAccess, text: string): Promise<void> {
    const next = this.#open(access);
    try {
      await this.#tryOut(next);
    } catch (error) {
      await next.close();
      throw error;
    }
    this.#leave(this.#current);
    this.#current = next;
    this.#taken = text;
    this.#options.logger.info({ server: access.server }, 'what the kubeconfig says now counts');
  }

  #leave(link: RemoteLink): void {
    this.#former.add(link);
    link.retire(() => {
      link.close().then(
        () => this.#former.delete(link),
        (error: unknown) => {
          this.#options.logger.error({ error: String(error) }, 'connections cannot be closed');
        },
      );
    });
  }

  /** Files are not written in one go: what is wrong at one look alone is not worth a word. */
  #failed(reason: string): void {
    const isSettled = reason === this.#fault;
    this.#fault = reason;
    if (!isSettled || reason === this.#logged) return;
    this.#logged = reason;
    const consequence = 'what it said before goes on to count';
    this.#options.logger.error({ reason }, `the kubeconfig cannot be used; ${consequence}`);
  }

  /** Throws unless the API answers, and knows who we are. */
  async #tryOut(link: RemoteLink): Promise<void> {
    const over = new AbortController();
    const timer = this.#options.clock.after(trialMs, () => over.abort());
    try {
      const { code } = await link.request({ method: 'GET', path: '/api' }, over.signal);
      if (code >= 400) throw new Error(`the API answers it with ${code}`);
    } finally {
      timer.cancel();
    }
  }

  #open(access: ApiAccess): RemoteLink {
    const { clock, userAgent } = this.#options;
    return new RemoteLink(httpsTransport({ access, clock, userAgent }));
  }
}

/** Without a token of a file, which is read again anyway. */
function textOf({ token, ...access }: ApiAccess): string {
  return JSON.stringify(access.tokenFile === undefined ? { token, ...access } : access);
}
