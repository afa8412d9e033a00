import { z } from 'zod';
import { resourcePath } from '../../client/resource-client.ts';
import { isObject } from '../../machinery/json.ts';
import { serviceAccountResource } from '../../v1/service-account.ts';
import { noAnswer } from '../access/reviews.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { parseDuration } from '../duration.ts';
import { CommandError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { formatDocument } from '../output/objects.ts';
import { documentFormat } from './version.ts';

const shape = {
  duration: z.string().optional(),
  audience: z.array(z.string()).default([]),
  boundObjectKind: z.enum(['Secret', 'Pod'], 'is Secret or Pod').optional(),
  boundObjectName: z.string().optional(),
  boundObjectUid: z.string().optional(),
  output: z.string().optional(),
};

const kind = 'TokenRequest';

/** Prints a token of a ServiceAccount, and nothing else: scripts take it as it is. */
export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const format = documentFormat(parsed.output);
  const [name = ''] = args;
  if (name === '') throw new CommandError('usage', 'say of which service account');
  const spec = specOf(parsed);
  await withConnection(context, parsed, async (connection) => {
    const { namespace } = connection;
    const answer = await connection.send({
      method: 'POST',
      path: resourcePath(serviceAccountResource, { namespace, name }, 'token'),
      body: { apiVersion: 'authentication.k8s.io/v1', kind, spec },
    });
    const request = z.object({ status: z.object({ token: z.string().min(1) }) }).safeParse(answer);
    if (!request.success || !isObject(answer)) throw noAnswer(kind);
    const { token } = request.data.status;
    context.stdout.write(format === undefined ? `${token}\n` : formatDocument(answer, format));
  });
}

function specOf({
  duration,
  audience,
  boundObjectKind,
  boundObjectName,
  boundObjectUid,
}: z.infer<z.ZodObject<typeof shape>>): object {
  if ((boundObjectKind === undefined) !== (boundObjectName === undefined)) {
    throw new CommandError('usage', '--bound-object-kind and --bound-object-name go together');
  }
  if (boundObjectUid !== undefined && boundObjectKind === undefined) {
    throw new CommandError('usage', '--bound-object-uid goes with --bound-object-kind');
  }
  const uid = boundObjectUid === undefined ? {} : { uid: boundObjectUid };
  return {
    audiences: audience,
    ...(duration === undefined
      ? {}
      : { expirationSeconds: Math.round(parseDuration(duration, '--duration') / 1000) }),
    ...(boundObjectKind === undefined
      ? {}
      : {
          boundObjectRef: {
            apiVersion: 'v1',
            kind: boundObjectKind,
            name: boundObjectName,
            ...uid,
          },
        }),
  };
}
