import type { Logger } from 'pino';
import type { Client } from '../../../api/client/client.ts';
import type { Clock } from '../../../api/machinery/clock.ts';
import type { Random } from '../../../api/machinery/random.ts';
import type { Reporters } from '../../../api/server/endpoint.ts';
import type { MasterDetector } from '../../../proto/mesos/detector.ts';
import type { HttpOptions } from '../../../proto/mesos/http.ts';
import { agentClient, masterClient } from '../../../proto/mesos/operator-client.ts';
import type { Config } from '../config.ts';
import { accessOf, findMasters, type Masters } from '../masters.ts';
import { openServerSets } from '../zookeeper.ts';
import { DriftInspector } from './inspector.ts';
import { driftSources } from './sources.ts';

export interface DriftContext {
  config: Config;
  /** Asked for when the first report is: the server that it talks to is made later than this. */
  client: () => Client;
  clock: Clock;
  random: Random;
  logger: Logger;
}

export interface DriftReporters {
  reporters: Reporters;
  close(): Promise<void>;
}

/**
 * What answers `jobs/drift` and `frameworks/drift`, with connections of its own, which are made when
 * somebody first asks. Nothing where Mesos or ZooKeeper is not configured.
 */
export function driftReporters(context: DriftContext): DriftReporters {
  const { mesos, zookeeper } = context.config;
  if (mesos === undefined || zookeeper === undefined) {
    return { reporters: {}, close: () => Promise.resolve() };
  }
  let opened: ReturnType<typeof open> | undefined;
  const inspector = (): DriftInspector => {
    opened ??= open(context, mesos, zookeeper);
    return opened.inspector;
  };
  return {
    reporters: {
      'jobs/drift': ({ namespace = '', name }, signal) =>
        inspector().job({ namespace, name }, signal),
      'frameworks/drift': ({ name }, signal) => inspector().framework(name, signal),
    },
    close: async () => {
      await opened?.close();
    },
  };
}

function open(
  { config, client, clock, random, logger }: DriftContext,
  mesos: NonNullable<Config['mesos']>,
  zookeeper: NonNullable<Config['zookeeper']>,
): { inspector: DriftInspector; close(): Promise<void> } {
  const http: HttpOptions = { clock, ...accessOf(mesos) };
  const masters = findMasters(mesos.masters, http, { clock, random });
  const log = logger.child({ component: 'drift' });
  const members = openServerSets(zookeeper, { clock, random, logger: log });
  const { clusterName } = config;
  const sources = driftSources({
    master: masterClient({ ...http, detector: patientDetector(masters) }),
    agent: (agent) => agentClient({ ...http, agent }),
    zookeeper: members,
    clusterName,
    clock,
  });
  return {
    inspector: new DriftInspector({ client: client(), sources, clusterName, clock }),
    close: async () => {
      await members.close();
      await masters.close();
    },
  };
}

/** The first report is asked for while the connection is being made: that is no reason to know nothing. */
export function patientDetector(
  masters: Pick<Masters, 'detector' | 'whenConnected'>,
): MasterDetector {
  return {
    detect: async (signal) => {
      await masters.whenConnected(signal);
      return masters.detector.detect(signal);
    },
  };
}
