import type { ApiRequest, ApiResponse, Transport } from '../../../../api/client/transport.ts';
import { TransportError } from '../../../../api/client/transport.ts';

/** What goes wrong with a request: `lost` loses the answer of what happened, `away` never gets there. */
export type RequestFault = 'lost' | 'away' | undefined;

/** A transport between a client and a server, with faults that tests choose. */
export class FaultyTransport implements Transport {
  /** The server; another one may take its place. */
  inner: Transport;
  readonly #cuts = new Set<() => void>();
  /** Every write that was tried, in order. */
  readonly writes: ApiRequest[] = [];
  readonly lists: ApiRequest[] = [];
  fault: (request: ApiRequest) => RequestFault = () => undefined;
  /** Cuts the watch that delivers this many more frames. */
  cutAfter: number | undefined;
  /** Watches of paths with this in them deliver nothing until it is released; nothing is lost. */
  #held: { part: string; released: Promise<void> } | undefined;
  readonly #underWay = new Set<Promise<ApiResponse>>();

  constructor(inner: Transport) {
    this.inner = inner;
  }

  async request(request: ApiRequest, signal?: AbortSignal): Promise<ApiResponse> {
    if (request.method === 'GET') this.lists.push(request);
    else this.writes.push(request);
    const fault = this.fault(request);
    if (fault === 'away') throw new TransportError('injected: away', { sent: false });
    const underWay = this.inner.request(request, signal);
    this.#underWay.add(underWay);
    const answer = await underWay.finally(() => this.#underWay.delete(underWay));
    if (fault === 'lost') throw new TransportError('injected: answer lost', { sent: true });
    return answer;
  }

  async *watch(request: ApiRequest, signal: AbortSignal): AsyncGenerator<unknown, void, undefined> {
    if (this.fault(request) !== undefined) {
      throw new TransportError('injected: away', { sent: false });
    }
    const cut = new AbortController();
    const cutNow = (): void => cut.abort();
    this.#cuts.add(cutNow);
    try {
      for await (const frame of this.inner.watch(request, AbortSignal.any([signal, cut.signal]))) {
        while (this.#holds(request)) await this.#held?.released;
        if (cut.signal.aborted) break;
        yield frame;
        if (this.cutAfter !== undefined && (this.cutAfter -= 1) === 0) {
          this.cutAfter = undefined;
          throw new TransportError('injected: link cut', { sent: true });
        }
      }
    } finally {
      this.#cuts.delete(cutNow);
    }
    if (cut.signal.aborted) throw new TransportError('injected: link cut', { sent: true });
  }

  /** Waits until the server is done with every request that reached it. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  /** Cuts every open watch. */
  cutWatches(): void {
    for (const cut of [...this.#cuts]) cut();
  }

  /** Holds watches back until the returned function is called: of all kinds, or of one. */
  holdWatches(part = '/'): () => void {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = () => {
        this.#held = undefined;
        resolve();
      };
    });
    this.#held = { part, released };
    return release;
  }

  #holds({ path }: ApiRequest): boolean {
    return this.#held !== undefined && path.includes(this.#held.part);
  }
}
