import { codec, contentTypes } from '../../proto/mesos/codec.ts';
import { differencesOf, type Difference } from './differences.ts';
import {
  bodyBytes,
  isStream,
  responseHeader,
  type Exchange,
  type Recording,
} from './recordings.ts';
import { agentPort } from './replay-cluster.ts';
import {
  essence,
  laneOf,
  misordered,
  offersOf,
  type Comparison,
  type TimedEvent,
} from './replay-events.ts';
import { ownFrameworks, withoutForeign } from './replay-foreign.ts';
import { normal } from './replay-normal.ts';
import type { Replay, ReplayedExchange } from './replay-run.ts';

/** Everything in which a replay differs from its recording. */
export function compare(recording: Recording, replay: Replay): Difference[] {
  const comparison = comparisonFor(recording, replay);
  const own = ownFrameworks(replay.recorded.flat().map(({ event }) => event));
  const streams = recording.exchanges.filter(isStream);
  const ends = streams.flatMap((exchange, index) => {
    // A killed master aborts its streams; the client sees them end either way.
    const byMaster = exchange.res.end === 'eof' || exchange.res.end === 'aborted-by-peer';
    return differencesOf(nameOf(exchange), byMaster, replay.endedByMaster[index], 'ended');
  });
  const events = replay.recorded.flatMap((recorded, index) =>
    compareEvents(recorded, replay.replayed[index] ?? [], comparison, own),
  );
  const answers = replay.exchanges.flatMap((exchange) => compareAnswers(exchange, own));
  return [...answers, ...ends, ...events];
}

function comparisonFor({ scenario }: Recording, { recorded }: Replay): Comparison {
  const [first] = recorded.flat().flatMap(({ event }) => offersOf(event));
  const cpus = first?.resources?.find(({ name }) => name === 'cpus')?.scalar?.value;
  // Some scenarios were recorded while other frameworks held a part of the agent.
  return { offeredResources: cpus === 8 && !scenario.startsWith('agentloss') };
}

function compareEvents(
  recorded: readonly TimedEvent[],
  replayed: readonly TimedEvent[],
  comparison: Comparison,
  own: ReadonlySet<string>,
): Difference[] {
  const before = lanes(recorded);
  const after = lanes(replayed);
  const names = new Set([...before.keys(), ...after.keys()]);
  const contents = [...names].flatMap((lane) => {
    const mesos = before.get(lane) ?? [];
    const emulator = after.get(lane) ?? [];
    return Array.from({ length: Math.max(mesos.length, emulator.length) }, (_, index) => {
      const [a, b] = [mesos[index]?.event, emulator[index]?.event];
      return differencesOf(
        `event ${a?.type ?? b?.type ?? lane}`,
        // Of the state that subscribers of the operator API hear first.
        a?.type === 'SUBSCRIBED'
          ? normal(withoutForeign(a, own, undefined))
          : a && essence(a, comparison),
        b && essence(b, comparison),
      );
    }).flat();
  });
  const order = misordered(recorded, replayed, comparison).map((pair) => ({
    where: 'events',
    field: 'order',
    mesos: '',
    emulator: pair,
  }));
  return [...contents, ...order];
}

function lanes(events: readonly TimedEvent[]): Map<string, TimedEvent[]> {
  const found = new Map<string, TimedEvent[]>();
  for (const item of events) {
    const lane = laneOf(item.event);
    found.set(lane, [...(found.get(lane) ?? []), item]);
  }
  return found;
}

const comparedHeaders = [
  'Content-Type',
  'Location',
  'Allow',
  'Content-Disposition',
  'Message-Content-Type',
];

function compareAnswers(replayed: ReplayedExchange, own: ReadonlySet<string>): Difference[] {
  const { exchange, status, headers, stream } = replayed;
  const { res } = exchange;
  const where = nameOf(exchange);
  const hasStream = responseHeader(res, 'mesos-stream-id') !== undefined;
  return [
    ...differencesOf(where, res.status, status, 'status'),
    ...comparedHeaders.flatMap((name) =>
      differencesOf(
        where,
        responseHeader(res, name.toLowerCase()),
        headers[name],
        `header ${name}`,
      ),
    ),
    ...differencesOf(where, hasStream, headers['Mesos-Stream-Id'] !== undefined, 'stream id'),
    ...differencesOf(where, isStream(exchange), stream !== undefined, 'stream'),
    ...(stream === undefined && res.status === status ? compareBodies(where, replayed, own) : []),
  ];
}

function compareBodies(
  where: string,
  { exchange, headers, body }: ReplayedExchange,
  own: ReadonlySet<string>,
): Difference[] {
  const recorded = bodyBytes(exchange.res.body);
  const type = responseHeader(exchange.res, 'content-type');
  if (type !== headers['Content-Type']) return [];
  // Only the JSON of answers shows lists in which nothing is.
  const emptied = type === contentTypes.json ? ([] as const) : undefined;
  return differencesOf(
    where,
    normal(withoutForeign(content(exchange, type, recorded), own, emptied)),
    normal(content(exchange, type, body)),
    type?.startsWith('application/') === true ? '' : 'text',
  );
}

/** JSON as it is on the wire, protobuf decoded, anything else as text. */
function content({ req }: Exchange, type: string | undefined, body: Uint8Array): unknown {
  if (type === contentTypes.json) return JSON.parse(Buffer.from(body).toString());
  if (type === contentTypes.protobuf) {
    const api = req.port === agentPort ? 'agent' : 'master';
    return codec(`mesos.v1.${api}.Response`, 'protobuf').decode(body);
  }
  return Buffer.from(body).toString();
}

function nameOf({ name }: Exchange): string {
  return name.replace(/^\d+-/, '');
}
