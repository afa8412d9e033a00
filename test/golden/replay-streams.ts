import { codec, type Format } from '../../proto/mesos/codec.ts';
import { bodyBytes, isStream, recordsOf, type Exchange, type Recording } from './recordings.ts';
import { agentPort } from './replay-cluster.ts';
import type { ReplayEvent, TimedEvent } from './replay-events.ts';

/** The message that the records of an exchange's stream are. */
export function eventCodec(
  { req }: Exchange,
  format: Format,
): { decode(bytes: Uint8Array): ReplayEvent } {
  if (req.path.endsWith('scheduler')) return codec('mesos.v1.scheduler.Event', format);
  return req.port === agentPort
    ? codec('mesos.v1.agent.ProcessIO', format)
    : codec('mesos.v1.master.Event', format);
}

/** The recorded events of every stream, with the times at which they arrived. */
export function recordedStreams({ exchanges, format }: Recording): TimedEvent[][] {
  return exchanges.filter(isStream).map((exchange) => {
    const event = eventCodec(exchange, format);
    let offset = 0;
    return recordsOf(bodyBytes(exchange.res.body)).map((record) => {
      const start = offset;
      offset += String(record.length).length + 1 + record.length;
      return { t: arrivalOf(exchange, start), event: event.decode(record) };
    });
  });
}

/** When the chunk arrived in which a byte was. */
function arrivalOf({ res }: Exchange, offset: number): number {
  let position = 0;
  for (const [t, length] of res.chunks ?? []) {
    position += length;
    if (offset < position) return t;
  }
  return res.t_ms;
}
