import type { HttpsTransport } from '../../api/client/https.ts';
import type { ApiRequest, ApiResponse, Transport } from '../../api/client/transport.ts';

/** A transport that ends with the last of what is under way over it, once nothing more is to begin. */
export class RemoteLink implements Transport {
  readonly #transport: HttpsTransport;
  #underWay = 0;
  #onIdle: (() => void) | undefined;

  constructor(transport: HttpsTransport) {
    this.#transport = transport;
  }

  async request(request: ApiRequest, signal?: AbortSignal): Promise<ApiResponse> {
    this.#underWay += 1;
    try {
      return await this.#transport.request(request, signal);
    } finally {
      this.#leave();
    }
  }

  async *watch(request: ApiRequest, signal: AbortSignal): AsyncGenerator<unknown, void, undefined> {
    this.#underWay += 1;
    try {
      yield* this.#transport.watch(request, signal);
    } finally {
      this.#leave();
    }
  }

  /** Nothing more begins: `onIdle` is called when nothing is under way any more. */
  retire(onIdle: () => void): void {
    if (this.#underWay === 0) onIdle();
    else this.#onIdle = onIdle;
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  #leave(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#onIdle?.();
  }
}
