import { generateKeyPairSync } from 'node:crypto';
import { systemClock } from '../../../api/machinery/clock.ts';
import type { AuditEvent } from '../../../api/server/audit/event.ts';
import { parseSigningKey } from '../../../api/server/authentication/signing-keys.ts';
import { parseTokenFile } from '../../../api/server/authentication/static-tokens.ts';
import { MemoryStorage } from '../../../api/storage/memory.ts';
import { resources } from '../../../api/v1/resources.ts';
import { startServer, type RunningServer } from './server.ts';

export const issuer = 'https://issuer.test';
/** Of ann in the group dev, and of root in system:masters. */
export const tokens = { ann: 'ann-hunter2-token', root: 'root-hunter2-token' };
const tokenFile = `${tokens.ann},ann,1000,"dev"\n${tokens.root},root,1,system:masters\n`;

export interface IdentityServer {
  running: RunningServer;
  /** What the audit log has. */
  events: AuditEvent[];
  /** Sets the server's clock ahead, in milliseconds. */
  skip(ms: number): void;
}

/** A server that takes the tokens above, issues those of service accounts, and writes down everything. */
export async function startIdentityServer(): Promise<IdentityServer> {
  let ahead = 0;
  const events: AuditEvent[] = [];
  const clock = { ...systemClock(), now: () => Date.now() + ahead };
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signingKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const running = await startServer(resources, new MemoryStorage({ clock }), clock, {
    identity: {
      staticTokens: {
        file: { version: () => Promise.resolve('1'), read: () => Promise.resolve(tokenFile) },
        table: parseTokenFile(tokenFile),
        version: '1',
      },
      serviceAccounts: {
        issuer,
        signingKey: parseSigningKey(signingKey),
        keys: [],
        maxTokenSeconds: 86_400,
      },
    },
    audit: {
      sink: {
        write: (lines) => {
          for (const line of lines.trim().split('\n')) events.push(JSON.parse(line) as AuditEvent);
          return Promise.resolve();
        },
      },
      rules: [{ level: 'Request' }],
    },
  });
  return {
    running,
    events,
    skip: (ms) => {
      ahead += ms;
    },
  };
}
