import type { Recording } from './recordings.ts';
import type { ReplayCluster } from './replay-cluster.ts';
import { statusOf, type TimedEvent } from './replay-events.ts';

/** Something that was done to the cluster from outside, at a time of the recording. */
export interface Action {
  readonly t: number;
  readonly act: () => void;
}

/** Between the note of a kill and the kill, where no RESCIND shows it. */
const signalMs = 1140;

/** That the emulated agent waits for its executors. */
const recoveryMs = 100;

/** What the timeline says was done to the agent, its executors, the masters and ZooKeeper. */
export function actionsOf(
  recording: Recording,
  recorded: readonly TimedEvent[],
  cluster: ReplayCluster,
): Action[] {
  const { agents, masters } = cluster;
  const later = (t: number): readonly TimedEvent[] => recorded.filter((item) => item.t > t);
  const noted = recording.timeline.flatMap(({ t, k, v }): Action[] => {
    const text = k === 'phase' ? String(v) : k;
    if (/kill -9 agent/.test(text)) {
      return [{ t: disconnectionAfter(recording, later(t), t), act: () => agents.kill(0) }];
    }
    if (/start agent/.test(text)) {
      // It first waits for its executors; its registration shows as what comes of it.
      const registration = (later(t).find(isOfRegistration)?.t ?? t) - 15;
      return [
        { t: registration - recoveryMs, act: () => agents.start(0) },
        { t: t + 500, act: () => cluster.answerPings() },
      ];
    }
    if (/SIGUSR1 agent/.test(text)) return [{ t, act: () => agents.unregister(0) }];
    if (/kill -9 (command )?executor/.test(text)) {
      const task = /executor of (\S+)/.exec(text)?.[1] ?? newestTask(recorded, t);
      return [{ t, act: () => void agents.crashExecutor(task) }];
    }
    if (text === 'kill -9 leader') {
      const cut = recording.exchanges.find(({ res }) => res.end === 'aborted-by-peer');
      return [{ t: cut?.res.end_t_ms ?? t, act: () => masters.kill(5050) }];
    }
    if (text === 'stop ZooKeeper') return [{ t, act: () => masters.stopZooKeeper() }];
    return [];
  });
  return [...noted, ...unnoted(recording, recorded, cluster)];
}

/** What nobody noted down, and what came of it shows. */
function unnoted(
  recording: Recording,
  recorded: readonly TimedEvent[],
  { agents, masters }: ReplayCluster,
): Action[] {
  const asked = (name: string): number | undefined =>
    recording.exchanges.find((exchange) => exchange.name.includes(name))?.req.t_ms;
  const restarted = asked('now-nonleader-5050');
  const zooKeeper = asked('SUBSCRIBE-after-zk-back');
  const added = recorded.find(({ event }) => event.type === 'AGENT_ADDED');
  return [
    ...(restarted === undefined ? [] : [{ t: restarted - 2500, act: () => masters.start(5050) }]),
    ...(zooKeeper === undefined
      ? []
      : [{ t: zooKeeper - 3500, act: () => masters.startZooKeeper() }]),
    // Marked gone, the agent was started again with an empty work directory.
    ...(added === undefined
      ? []
      : [
          {
            t: added.t - 15,
            act: () => {
              agents.kill(0);
              agents.wipe(0);
              agents.start(0);
            },
          },
        ]),
  ];
}

/**
 * The note was made before the signal was sent; the lost connection shows as a RESCIND, or as an
 * acknowledgement that did not arrive, for its update comes again.
 */
function disconnectionAfter(
  { exchanges }: Recording,
  later: readonly TimedEvent[],
  t: number,
): number {
  const rescind = later.find(({ event }) => event.type === 'RESCIND')?.t ?? Infinity;
  const lost = exchanges.find(
    ({ name, res }) =>
      name.includes('ACKNOWLEDGE') &&
      res.t_ms > t &&
      res.t_ms < t + 2 * signalMs &&
      later.some(({ t: again, event }) => {
        const status = statusOf(event);
        return (
          again > res.t_ms + 100 &&
          status?.uuid !== undefined &&
          name.endsWith(`${status.task_id.value}-${status.state}`)
        );
      }),
  );
  // Its answer was read late: nobody looked while the signal was sent.
  return lost === undefined ? Math.min(rescind, t + signalMs) : Math.max(t, lost.req.t_ms);
}

/** Updates of agents and executors have an uuid. */
function isOfRegistration({ event }: TimedEvent): boolean {
  return event.type === 'OFFERS' || statusOf(event)?.uuid !== undefined;
}

function newestTask(recorded: readonly TimedEvent[], t: number): string {
  const statuses = recorded.filter((item) => item.t < t).map(({ event }) => statusOf(event));
  return statuses.findLast((status) => status !== undefined)?.task_id.value ?? '';
}
