import { z } from 'zod';
import { noAnswer } from '../access/reviews.ts';
import { isObject } from '../../machinery/json.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { parseOptions } from '../options.ts';
import { alignRows } from '../output/columns.ts';
import { formatDocument } from '../output/objects.ts';
import { documentFormat } from './version.ts';

const shape = { output: z.string().optional() };

const kind = 'SelfSubjectReview';

const userSchema = z.object({
  username: z.string().default(''),
  uid: z.string().default(''),
  groups: z.array(z.string()).default([]),
  extra: z.record(z.string(), z.array(z.string())).default({}),
});

export async function run({ context, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const format = documentFormat(parsed.output);
  await withConnection(context, parsed, async (connection) => {
    const answer = await connection.send({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      body: { apiVersion: 'authentication.k8s.io/v1', kind },
    });
    const review = z.object({ status: z.object({ userInfo: userSchema }) }).safeParse(answer);
    if (!review.success || !isObject(answer)) throw noAnswer(kind);
    if (format !== undefined) {
      context.stdout.write(formatDocument(answer, format));
      return;
    }
    const lines = alignRows([['ATTRIBUTE', 'VALUE'], ...rowsOf(review.data.status.userInfo)]);
    context.stdout.write(lines.map((line) => `${line}\n`).join(''));
  });
}

/** As kubectl shows them: what is not known has no line. */
function rowsOf({ username, uid, groups, extra }: z.infer<typeof userSchema>): string[][] {
  const list = (values: readonly string[]): string => `[${values.join(' ')}]`;
  return [
    ['Username', username],
    ...(uid === '' ? [] : [['UID', uid]]),
    ...(groups.length === 0 ? [] : [['Groups', list(groups)]]),
    ...Object.entries(extra).map(([key, values]) => [`Extra: ${key}`, list(values)]),
  ];
}
