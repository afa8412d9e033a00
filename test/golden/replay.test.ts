import { describe, expect, test } from 'vitest';
import { loadRecording, responseHeader, type Recording } from './recordings.ts';
import {
  essence,
  laneOf,
  messageOf,
  misordered,
  type Comparison,
  type TimedEvent,
} from './replay-events.ts';
import { replay, type Replay, type ReplayedExchange } from './replay-run.ts';

const scenarios = [
  'basic',
  'group',
  'noack',
  'failures',
  'failover',
  'agentloss-pa',
  'agentloss-npa',
  'agentloss-nocheckpoint',
  'httperr',
];

function comparisonFor(replayed: Replay): Comparison {
  const first = replayed.recorded.flat().find(({ event }) => event.offers !== undefined);
  const cpus = first?.event.offers?.offers?.[0]?.resources?.find(({ name }) => name === 'cpus');
  return {
    racyNetworks: ({ container_status, state }) =>
      container_status?.container_id?.parent !== undefined && state !== 'TASK_RUNNING',
    // Some scenarios were recorded while other frameworks held a part of the agent.
    offeredResources: cpus?.scalar?.value === 8 && !replayed.scenario.startsWith('agentloss'),
  };
}

describe.each(['json', 'protobuf'] as const)('%s', (format) => {
  test.each(scenarios)('the emulator answers as in the recording %s', async (scenario) => {
    const recording = loadRecording(format, scenario);
    const result = await replay(recording);
    const comparison = comparisonFor(result);

    expect(result.exchanges.map(answerOf).sort(byName)).toEqual(
      recording.exchanges.map(recordedAnswer).sort(byName),
    );
    expect(result.replayed).toHaveLength(result.recorded.length);
    for (const [index, recorded] of result.recorded.entries()) {
      const replayed = result.replayed[index] ?? [];
      expect(lanes(replayed, comparison)).toEqual(lanes(recorded, comparison));
      expect(misordered(recorded, replayed, comparison)).toEqual([]);
    }
    const streams = recording.exchanges.filter(({ res }) => (res.chunks?.length ?? 0) > 0);
    expect(result.endedByMaster).toEqual(
      streams
        .filter((exchange) => responseHeader(exchange.res, 'mesos-stream-id') !== undefined)
        .map(({ res }) => res.end === 'eof'),
    );
  });
});

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function lanes(
  events: readonly TimedEvent[],
  comparison: Comparison,
): Record<string, readonly string[]> {
  const result: Record<string, string[]> = {};
  for (const { event } of events) {
    (result[laneOf(event)] ??= []).push(essence(event, comparison));
  }
  return result;
}

function answerOf({ exchange, status, headers, body, stream }: ReplayedExchange) {
  return {
    name: exchange.name,
    status,
    type: headers['Content-Type'],
    location: headers['Location'],
    allow: headers['Allow'],
    stream: headers['Mesos-Stream-Id'] !== undefined,
    text: stream === undefined ? messageOf(Buffer.from(body).toString()) : undefined,
  };
}

function recordedAnswer(exchange: Recording['exchanges'][number]) {
  const { res, name } = exchange;
  const stream = responseHeader(res, 'mesos-stream-id') !== undefined;
  return {
    name,
    status: res.status,
    type: responseHeader(res, 'content-type'),
    location: responseHeader(res, 'location'),
    allow: responseHeader(res, 'allow'),
    stream,
    text: stream ? undefined : messageOf('text' in res.body ? res.body.text : res.body.base64),
  };
}
