import { json, text, type ApiAnswer, type ApiRequest } from './http/messages.ts';
import { serve, type ListeningServer } from './http/server.ts';
import type { Emulator } from './emulator.ts';

/**
 * The control endpoint, on loopback: what a test or an operator may do to the cluster.
 * `GET /` describes it; `POST /<masters|agents>/<index>/<action>` and `POST /tasks/<id>/<action>` act.
 * `…/pause?for=<milliseconds>` ends by itself.
 */
export async function serveControl(emulator: Emulator): Promise<ListeningServer> {
  const pauses = new Pauses(emulator);
  return serve((request) => answer(emulator, pauses, request), { host: '127.0.0.1', port: 0 });
}

/** Agents that are to be resumed later. */
class Pauses {
  readonly #emulator: Emulator;
  readonly #timers = new Map<number, NodeJS.Timeout>();

  constructor(emulator: Emulator) {
    this.#emulator = emulator;
  }

  async pause(index: number, ms: number | undefined): Promise<void> {
    this.#forget(index);
    await this.#emulator.pauseAgent(index);
    if (ms === undefined) return;
    const timer = setTimeout(() => void this.resume(index), ms);
    this.#timers.set(index, timer.unref());
  }

  resume(index: number): Promise<void> {
    this.#forget(index);
    return this.#emulator.resumeAgent(index);
  }

  #forget(index: number): void {
    clearTimeout(this.#timers.get(index));
    this.#timers.delete(index);
  }
}

async function answer(emulator: Emulator, pauses: Pauses, request: ApiRequest): Promise<ApiAnswer> {
  if (request.method === 'GET') return json(emulator.describe());
  const { pathname, searchParams } = new URL(request.target, 'http://control');
  const [, kind = '', name = '', action = ''] = pathname.split('/');
  const duration = searchParams.get('for') ?? undefined;
  if (duration !== undefined && !/^\d{1,9}$/.test(duration)) {
    return text(400, `${duration} is no number of milliseconds`);
  }
  const act =
    `${kind}/${action}` === 'agents/pause'
      ? () => pauses.pause(Number(name), duration === undefined ? undefined : Number(duration))
      : `${kind}/${action}` === 'agents/resume'
        ? () => pauses.resume(Number(name))
        : actionOf(emulator, kind, decodeURIComponent(name), action);
  if (act === undefined) return text(404, `there is no ${request.target}`);
  if ((await act()) === false) return text(404, `there is no task ${name}`);
  return json(emulator.describe());
}

function actionOf(
  emulator: Emulator,
  kind: string,
  name: string,
  action: string,
): (() => Promise<unknown>) | undefined {
  const index = Number(name);
  switch (`${kind}/${action}`) {
    case 'masters/kill':
      return () => emulator.killMaster(index);
    case 'masters/start':
      return () => emulator.startMaster(index);
    case 'agents/kill':
      return () => emulator.killAgent(index);
    case 'agents/start':
      return () => emulator.startAgent(index);
    case 'agents/unregister':
      return () => emulator.unregisterAgent(index);
    case 'tasks/kill':
      return () => emulator.killTask(name);
    case 'tasks/crash-executor':
      return () => emulator.crashExecutor(name);
    default:
      return undefined;
  }
}
