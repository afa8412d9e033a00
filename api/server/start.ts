import { refusal } from '../client/decode.ts';
import type { Transport } from '../client/transport.ts';
import type { ApiError } from '../machinery/errors.ts';
import { permanentNamespaces } from './registry/strategy.ts';

/** Creates the namespaces that everybody may count on. */
export async function ensureNamespaces(transport: Transport): Promise<void> {
  for (const name of permanentNamespaces) {
    const path = '/api/v1/namespaces';
    const found = await transport.request({ method: 'GET', path: `${path}/${name}` });
    if (found.code === 200) continue;
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    const answer = await transport.request({ method: 'POST', path, body });
    if (answer.code < 400) continue;
    const error: ApiError = refusal(answer.body, answer.code);
    if (error.reason !== 'AlreadyExists') throw error;
  }
}
