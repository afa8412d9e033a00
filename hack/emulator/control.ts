import { json, text, type ApiAnswer, type ApiRequest } from './http/messages.ts';
import { serve, type ListeningServer } from './http/server.ts';
import type { Emulator } from './emulator.ts';

/**
 * The control endpoint, on loopback: what a test or an operator may do to the cluster.
 * `GET /` describes it; `POST /<masters|agents>/<index>/<action>` and `POST /tasks/<id>/<action>` act.
 */
export function serveControl(emulator: Emulator): Promise<ListeningServer> {
  return serve((request) => answer(emulator, request), { host: '127.0.0.1', port: 0 });
}

async function answer(emulator: Emulator, request: ApiRequest): Promise<ApiAnswer> {
  if (request.method === 'GET') return json(emulator.describe());
  const [, kind = '', name = '', action = ''] = request.target.split('/');
  const act = actionOf(emulator, kind, decodeURIComponent(name), action);
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
    case 'agents/pause':
      return () => emulator.pauseAgent(index);
    case 'agents/resume':
      return () => emulator.resumeAgent(index);
    case 'tasks/kill':
      return () => emulator.killTask(name);
    case 'tasks/crash-executor':
      return () => emulator.crashExecutor(name);
    default:
      return undefined;
  }
}
