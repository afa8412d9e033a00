import type { Clock, Timer } from '../../../../api/machinery/clock.ts';
import { codec, type Format } from '../../../../proto/mesos/codec.ts';
import type { AgentProcessIO } from '../../../../proto/mesos/generated/messages.ts';
import { encodeRecord } from '../../../../proto/mesos/recordio.ts';
import type { ApiAnswer } from '../../http/messages.ts';
import type { NestedContainer, NestedContainers } from './containers.ts';

export interface OutputOptions {
  readonly clock: Clock;
  readonly format: Format;
  readonly headers: Record<string, string>;
  /** Whoever hangs up ends the container. */
  readonly session: boolean;
}

/** Mesos' default for the streams of its I/O switchboard. */
const heartbeatMs = 30_000;

const sigkill = 9;

/** What a container writes, in ProcessIO records, until it ends. */
export function outputStream(
  nested: NestedContainers,
  container: NestedContainer,
  { clock, format, headers, session }: OutputOptions,
): ApiAnswer {
  const { encode } = codec('mesos.v1.agent.ProcessIO', format);
  return {
    kind: 'stream',
    headers,
    open: (sink) => {
      const write = (message: AgentProcessIO): void => {
        sink.write(encodeRecord(encode(message)));
      };
      let timer: Timer | undefined;
      const beat = (): void => {
        timer = clock.after(heartbeatMs, () => {
          write(heartbeat);
          beat();
        });
      };
      beat();
      const reading = nested.read(container, {
        output: write,
        ended: () => {
          timer?.cancel();
          sink.end();
        },
      });
      return {
        closed: () => {
          timer?.cancel();
          reading.stop();
          if (session && container.status === undefined) container.process.signal(sigkill);
        },
      };
    },
  };
}

const heartbeat: AgentProcessIO = {
  type: 'CONTROL',
  control: { type: 'HEARTBEAT', heartbeat: { interval: { nanoseconds: heartbeatMs * 1e6 } } },
};
