import { homedir } from 'node:os';
import type { Logger } from 'pino';
import { loadKubeconfig } from '../../api/client/kubeconfig.ts';
import { createClient } from '../../api/client/resource-client.ts';
import type { Transport } from '../../api/client/transport.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { Metrics } from '../../api/machinery/metrics.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { HealthCheck } from '../../api/server/health.ts';
import { runAll } from '../runtime/manager.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { apiServerOf, reloadsOf } from './api.ts';
import { splitAddress, tlsFilesOf, tlsOf } from './listen.ts';
import type { Config, Role } from './config.ts';
import { Controllers } from './controllers.ts';
import { driftReporters } from './drift/reporters.ts';
import { HealthListener } from './health-listener.ts';
import { maintenanceOf } from './maintenance.ts';
import { tellProcess } from './process-metrics.ts';
import { reloading } from './reloading.ts';
import { RemoteApi } from './remote-api.ts';
import { openStorage } from './storage.ts';
import { version } from './version.ts';

export interface Process {
  config: Config;
  roles: readonly Role[];
  logger: Logger;
  clock: Clock;
  random: Random;
}

/** Runs the roles of this process until the signal aborts; throws if one of them fails. */
export async function runCosmd(process: Process, signal: AbortSignal): Promise<void> {
  if (!process.roles.includes('api')) {
    await runControllers(process, signal);
    return;
  }
  const { config, logger, clock, random } = process;
  const storage = openStorage(config, clock, random);
  const metrics = new Metrics();
  const endMeasuring = tellProcess(metrics, clock);
  let controllers: Controllers | undefined;
  // Asked long after the controllers, which need the server, have been made.
  const framework: HealthCheck = {
    name: 'framework',
    check: () => Promise.resolve(controllers?.problem()),
  };
  const drift = driftReporters({
    ...process,
    client: () => createClient(server.transport(controllerUser)),
  });
  const server = apiServerOf({
    config,
    storage,
    metrics,
    clock,
    random,
    logger,
    readyChecks: [framework],
    reporters: drift.reporters,
  });
  try {
    await server.start();
    logger.info({ address: server.address }, 'the API listens');
    const client = createClient(server.transport(controllerUser));
    const parts: Runnable[] = [
      ...maintenanceOf({ ...process, storage, client, metrics }),
      ...reloadsOf(process, server),
    ];
    if (process.roles.includes('controllers')) {
      const transport = server.transport(controllerUser);
      controllers = controllersOf(process, transport, metrics);
      parts.push(controllers, ...healthOf(process, { controllers, transport, metrics }));
    }
    await runAll(parts, signal, logger);
  } finally {
    await server.stop();
    await drift.close();
    await storage.close();
    endMeasuring();
  }
}

/** The controllers alone, with an API server elsewhere. */
async function runControllers(process: Process, signal: AbortSignal): Promise<void> {
  const transport = await remoteApi(process);
  const metrics = new Metrics();
  const endMeasuring = tellProcess(metrics, process.clock);
  try {
    const controllers = controllersOf(process, transport, metrics);
    const health = healthOf(process, { controllers, transport, metrics });
    await runAll([controllers, transport, ...health], signal, process.logger);
  } finally {
    await transport.close();
    endMeasuring();
  }
}

/** Where health and metrics of the controllers are served, if anywhere. */
function healthOf(
  { config, clock, logger }: Process,
  { controllers, transport, metrics }: HealthSubject,
): Runnable[] {
  const { listen } = config.controllers;
  if (listen === undefined) return [];
  const files = tlsFilesOf(config.controllers);
  const listener = new HealthListener({
    listen: splitAddress(listen),
    tls: files && tlsOf('controllers', files),
    checks: [
      apiCheck(transport, clock),
      { name: 'framework', check: () => Promise.resolve(controllers.problem()) },
    ],
    metrics,
    clock,
    logger: logger.child({ component: 'health' }),
  });
  if (files === undefined) return [listener];
  const certificate = reloading({
    what: 'certificate of the controllers',
    files: Object.values(files),
    reload: () => listener.setTls(tlsOf('controllers', files, clock.now())),
    clock,
    logger,
  });
  return [listener, certificate];
}

interface HealthSubject {
  controllers: Controllers;
  transport: Transport;
  metrics: Metrics;
}

const apiCheckMs = 5_000;

/** Whether the API answers, and knows who we are. */
function apiCheck(transport: Transport, clock: Clock): HealthCheck {
  return {
    name: 'api',
    check: async () => {
      const over = new AbortController();
      const timer = clock.after(apiCheckMs, () => over.abort());
      try {
        const { code } = await transport.request({ method: 'GET', path: '/api' }, over.signal);
        return code < 400 ? undefined : `the API answers ${code}`;
      } finally {
        timer.cancel();
      }
    },
  };
}

/** The identity of the loops where they share the process of the API; the role of that name is theirs. */
const controllerUser = { name: 'system:mesocosm-controllers', groups: ['system:authenticated'] };

function controllersOf(process: Process, transport: Transport, metrics: Metrics): Controllers {
  return new Controllers({ ...process, metrics, client: createClient(transport) });
}

function remoteApi({ config, clock, logger }: Process): Promise<RemoteApi> {
  return RemoteApi.open({
    load: async () => {
      const { access } = await loadKubeconfig({ path: config.kubeconfig, home: homedir() });
      return access;
    },
    userAgent: `cosmd/${version}`,
    clock,
    logger,
  });
}
