import { z } from 'zod';
import type { Connection } from '../connection.ts';
import { CommandError } from '../errors.ts';

const reviewSchema = z.object({
  status: z.object({
    allowed: z.boolean().default(false),
    reason: z.string().default(''),
    evaluationError: z.string().default(''),
  }),
});

/** The server's answer to a question of access. */
export type Access = z.infer<typeof reviewSchema>['status'];

/** Whether whoever asks may do what `spec` says: resourceAttributes or nonResourceAttributes. */
export async function review({ send }: Pick<Connection, 'send'>, spec: object): Promise<Access> {
  const kind = 'SelfSubjectAccessReview';
  const answer = reviewSchema.safeParse(
    await send({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      body: { apiVersion: 'authorization.k8s.io/v1', kind, spec },
    }),
  );
  if (!answer.success) throw noAnswer(kind);
  return answer.data.status;
}

/** The server took the question, and its answer is none. */
export function noAnswer(kind: string): CommandError {
  return new CommandError('failed', `the server answered a ${kind} with none`);
}
