import { systemClock } from '../../api/machinery/clock.ts';
import { systemRandom } from '../../api/machinery/random.ts';
import { z } from 'zod';
import { AgentServer, type AgentServerOptions } from './agent/server.ts';
import { fileRegistry } from './master/registry.ts';
import { MasterServer, type MasterServerOptions } from './master/server.ts';
import type { EmulatorConfig } from './config.ts';

/** Options of a role's process: what its parent passes as one JSON argument. */
export type MasterRoleOptions = Pick<MasterServerOptions, 'host' | 'port' | 'zk'> & {
  registry: string;
  timings: EmulatorConfig['timings'];
};
export type AgentRoleOptions = Omit<
  AgentServerOptions,
  'clock' | 'random' | 'exit' | 'log' | 'timings'
> & { timings: EmulatorConfig['timings'] };

const object = <T>() => z.custom<T>((value) => typeof value === 'object' && value !== null);
const request = z.object({ do: z.literal('unregister') });

export async function runMaster(argument: string): Promise<void> {
  const options = object<MasterRoleOptions>().parse(JSON.parse(argument));
  const { zkSessionTimeout, ...timings } = options.timings;
  const server = new MasterServer({
    clock: systemClock(),
    random: systemRandom(),
    host: options.host,
    port: options.port,
    registry: fileRegistry(options.registry),
    timings,
    ...(options.zk === undefined ? {} : { zk: options.zk }),
    zkSessionTimeout,
    exit: () => process.exit(1),
    log: (message) => {
      log('master', message);
    },
  });
  await server.start();
  onEnd(() => server.stop());
  process.send?.({ ready: true, port: server.port });
}

export async function runAgent(argument: string): Promise<void> {
  const options = object<AgentRoleOptions>().parse(JSON.parse(argument));
  const { updateRetryMin, updateRetryMax, agentRecovery } = options.timings;
  const server = new AgentServer({
    ...options,
    clock: systemClock(),
    random: systemRandom(),
    timings: { updateRetryMin, updateRetryMax, recovery: agentRecovery },
    exit: () => process.exit(0),
    log: (message) => {
      log(options.info.hostname, message);
    },
  });
  await server.start();
  onEnd(() => server.terminate());
  process.on('message', (message) => {
    request.parse(message);
    void server.unregister().then(() => process.exit(0));
  });
  process.send?.({ ready: true, port: server.port });
}

/** SIGTERM, and the end of the parent: nothing is left running without it. */
function onEnd(stop: () => Promise<void>): void {
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    void stop().finally(() => process.exit(0));
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  process.on('disconnect', end);
}

export function log(who: string, message: string): void {
  process.stderr.write(`${who}: ${message}\n`);
}
