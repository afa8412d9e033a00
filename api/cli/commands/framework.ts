import { z } from 'zod';
import type { Agent } from '../../v1/agent.ts';
import { agentResource } from '../../v1/agent.ts';
import { leaseResource, type Lease } from '../../v1/core.ts';
import { frameworkResource, type Framework } from '../../v1/framework.ts';
import type { Connection } from '../connection.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { describeFramework, type FrameworkView } from '../describe/framework.ts';
import { parseOptions } from '../options.ts';
import { formatDocument } from '../output/objects.ts';
import { documentFormat } from './version.ts';

const shape = { output: z.string().optional() };

export async function run({ context, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const format = documentFormat(parsed.output);
  await withConnection(context, parsed, async (connection) => {
    const view = await frameworkView(connection);
    const text =
      format === undefined
        ? describeFramework(view, context.clock.now())
            .map((line) => `${line}\n`)
            .join('')
        : formatDocument({ ...view }, format);
    context.stdout.write(text);
  });
}

async function frameworkView({ client, transport }: Connection): Promise<FrameworkView> {
  const readiness = transport.request({
    method: 'GET',
    path: '/readyz',
    query: { verbose: 'true' },
    accept: 'text/plain, */*',
  });
  const [frameworks, leases, agents, ready] = await Promise.all([
    client.of(frameworkResource).list(),
    client.of(leaseResource).list(),
    client.of(agentResource).list(),
    readiness,
  ]);
  return {
    frameworks: frameworks.items satisfies Framework[],
    leases: leases.items satisfies Lease[],
    agents: agents.items satisfies Agent[],
    ready: { ok: ready.code === 200, text: typeof ready.body === 'string' ? ready.body : '' },
  };
}
