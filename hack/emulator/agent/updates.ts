import type { Clock, Timer } from '../../../api/machinery/clock.ts';
import type { Base64, TaskState, TaskStatus } from '../../../proto/mesos/generated/messages.ts';

export interface UpdateStreamsOptions {
  clock: Clock;
  /** Milliseconds; Mesos' 10 s, doubling up to 10 min. */
  retryMin?: number;
  retryMax?: number;
  send(frameworkId: string, status: TaskStatus, latest: TaskState): void;
}

interface UpdateStream {
  readonly frameworkId: string;
  readonly pending: TaskStatus[];
  latest: TaskState;
  wait: number;
  timer: Timer | undefined;
}

export interface PendingUpdates {
  framework_id: string;
  task_id: string;
  statuses: TaskStatus[];
}

/**
 * The updates of each task in order, each repeated until it is acknowledged and none sent before
 * the one ahead of it is.
 */
export class UpdateStreams {
  readonly #options: UpdateStreamsOptions;
  readonly #streams = new Map<string, UpdateStream>();
  readonly #retryMin: number;
  readonly #retryMax: number;
  #connected = false;

  constructor(options: UpdateStreamsOptions) {
    this.#options = options;
    this.#retryMin = options.retryMin ?? 10_000;
    this.#retryMax = options.retryMax ?? 600_000;
  }

  add(frameworkId: string, status: TaskStatus): void {
    const key = `${frameworkId}/${status.task_id.value}`;
    const stream = this.#streams.get(key);
    if (stream !== undefined) {
      stream.pending.push(status);
      stream.latest = status.state;
      return;
    }
    const started: UpdateStream = {
      frameworkId,
      pending: [status],
      latest: status.state,
      wait: this.#retryMin,
      timer: undefined,
    };
    this.#streams.set(key, started);
    this.#forward(started);
  }

  /** The update that was acknowledged, or undefined if it was not the one waited for. */
  acknowledge(frameworkId: string, taskId: string, uuid: Base64): TaskStatus | undefined {
    const key = `${frameworkId}/${taskId}`;
    const stream = this.#streams.get(key);
    const head = stream?.pending[0];
    if (stream === undefined || head?.uuid !== uuid) return undefined;
    stream.timer?.cancel();
    stream.pending.shift();
    stream.wait = this.#retryMin;
    if (stream.pending.length === 0) this.#streams.delete(key);
    else this.#forward(stream);
    return head;
  }

  /** The first unacknowledged update of a task. */
  head(frameworkId: string, taskId: string): TaskStatus | undefined {
    return this.#streams.get(`${frameworkId}/${taskId}`)?.pending[0];
  }

  /** The master heard of the agent (again): everything unacknowledged is sent at once. */
  resume(): void {
    this.#connected = true;
    for (const stream of this.#streams.values()) {
      stream.wait = this.#retryMin;
      this.#forward(stream);
    }
  }

  /** Sends what is unacknowledged of one framework at once, and waits anew for its acknowledgement. */
  resend(frameworkId: string): void {
    for (const stream of this.#streams.values()) {
      if (stream.frameworkId !== frameworkId) continue;
      stream.wait = this.#retryMin;
      this.#forward(stream);
    }
  }

  pause(): void {
    this.#connected = false;
  }

  dropFramework(frameworkId: string): void {
    for (const [key, stream] of this.#streams) {
      if (stream.frameworkId !== frameworkId) continue;
      stream.timer?.cancel();
      this.#streams.delete(key);
    }
  }

  snapshot(): PendingUpdates[] {
    return [...this.#streams.values()].flatMap(({ frameworkId, pending }) => {
      const first = pending[0];
      return first === undefined
        ? []
        : [{ framework_id: frameworkId, task_id: first.task_id.value, statuses: [...pending] }];
    });
  }

  stop(): void {
    for (const { timer } of this.#streams.values()) timer?.cancel();
  }

  #forward(stream: UpdateStream): void {
    const head = stream.pending[0];
    if (head === undefined) return;
    if (this.#connected) this.#options.send(stream.frameworkId, head, stream.latest);
    stream.timer?.cancel();
    stream.timer = this.#options.clock.after(stream.wait, () => {
      stream.wait = Math.min(stream.wait * 2, this.#retryMax);
      this.#forward(stream);
    });
  }
}
