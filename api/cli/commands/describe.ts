import { resourcePath } from '../../client/resource-client.ts';
import { isApiError } from '../../machinery/errors.ts';
import { isObject } from '../../machinery/json.ts';
import { controllerOf, type KubeObject } from '../../machinery/metadata.ts';
import { eventResource, type Event } from '../../v1/core.ts';
import { jobLabel, jobResource } from '../../v1/job.ts';
import { jobRevisionResource } from '../../v1/job-revision.ts';
import { serverSetResource } from '../../v1/serverset.ts';
import { taskResource } from '../../v1/task.ts';
import type { Connection } from '../connection.ts';
import { withConnection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { describeObject } from '../describe/generic.ts';
import { describeJob } from '../describe/job.ts';
import { describeTask } from '../describe/task.ts';
import { withKinds } from '../discovery.ts';
import { qualifiedPlural, type Kind } from '../kinds.ts';
import { parseOptions } from '../options.ts';
import { visible } from '../output/columns.ts';
import { refusalText } from '../report.ts';
import { storedObject } from '../stored-object.ts';

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions({}, options);
  await withConnection(context, parsed, async (connection) => {
    const targets = await withKinds(connection, (kinds) => kinds.namedTargets(args));
    let printed = 0;
    let failed = false;
    for (const { resource, names } of targets) {
      for (const name of names) {
        try {
          const lines = await describe(context, connection, resource, name);
          const text = lines.map((line) => `${visible(line)}\n`).join('');
          context.stdout.write(printed === 0 ? text : `\n\n${text}`);
          printed += 1;
        } catch (error) {
          if (!isApiError(error)) throw error;
          failed = true;
          context.stderr.write(`error: ${refusalText(error)}\n`);
        }
      }
    }
    if (failed) throw new CommandError('failed', '');
  });
}

async function describe(
  { clock }: Context,
  connection: Connection,
  resource: Kind,
  name: string,
): Promise<string[]> {
  const namespace = connection.namespaceFor(resource);
  const { client } = connection;
  switch (qualifiedPlural(resource)) {
    case 'jobs.mesocosm.dev':
      return describeJob(await jobView(connection, { namespace, name }), clock.now());
    case 'tasks.mesocosm.dev': {
      const task = await client.of(taskResource).get({ namespace, name });
      return describeTask(task, await eventsOf(connection, task), clock.now());
    }
    default: {
      const path = resourcePath(resource, { namespace, name });
      const body = await connection.send({ method: 'GET', path });
      const object = storedObject(body);
      const events = await eventsOf(connection, object);
      return describeObject(object, isObject(body) ? body : {}, events, clock.now());
    }
  }
}

async function jobView(
  connection: Connection,
  { namespace, name }: { namespace: string | undefined; name: string },
): Promise<Parameters<typeof describeJob>[0]> {
  const { client } = connection;
  const job = await client.of(jobResource).get({ namespace, name });
  const scope = namespace === undefined ? {} : { namespace };
  const labelSelector = `${jobLabel}=${name}`;
  const [tasks, revisions, serverSets, jobEvents, taskEvents] = await Promise.all([
    client.of(taskResource).list({ ...scope, labelSelector }),
    client.of(jobRevisionResource).list(scope),
    client.of(serverSetResource).list(scope),
    eventsOf(connection, job),
    client.of(eventResource).list({ ...scope, fieldSelector: 'involvedObject.kind=Task' }),
  ]);
  const ownedByJob = (object: KubeObject): boolean =>
    controllerOf(object)?.uid === job.metadata.uid;
  const owned = new Set(tasks.items.map(({ metadata }) => metadata.name));
  return {
    job,
    tasks: tasks.items.filter((task) => task.spec.job === name),
    revisions: revisions.items.filter(ownedByJob),
    serverSets: serverSets.items.filter(ownedByJob),
    events: [
      ...jobEvents,
      ...taskEvents.items.filter((event) => owned.has(event.involvedObject.name ?? '')),
    ],
  };
}

/** Events about one object; those about cluster objects are in the namespace `default`. */
async function eventsOf({ client }: Connection, object: KubeObject): Promise<Event[]> {
  const { name, namespace = 'default', uid } = object.metadata;
  const selector = [
    `involvedObject.kind=${object.kind}`,
    `involvedObject.name=${name}`,
    `involvedObject.uid=${uid}`,
  ].join(',');
  const { items } = await client.of(eventResource).list({ namespace, fieldSelector: selector });
  return items;
}
