import { z } from 'zod';
import { isObject, type JsonObject } from '../../machinery/json.ts';
import { healthOf } from '../../machinery/kstatus.ts';
import { CommandError } from '../errors.ts';
import type { Path } from '../../machinery/jsonpath/ast.ts';
import { evaluatePath, valueText } from '../../machinery/jsonpath/evaluate.ts';
import { parsePath } from '../../machinery/jsonpath/parse.ts';

/** What `--for` waits for. */
export type Goal =
  | { type: 'delete' }
  | { type: 'create' }
  /** By the rules of kstatus. */
  | { type: 'healthy' }
  | { type: 'condition'; condition: string; status: string }
  | { type: 'jsonpath'; text: string; path: Path; value?: string };

/** Whether the goal is reached, and in a few words how things stand. */
export interface Progress {
  met: boolean;
  detail: string;
}

export function parseGoal(text: string): Goal {
  if (text === 'delete' || text === 'create' || text === 'healthy') return { type: text };
  const condition = /^condition=([^=]+)(?:=(.+))?$/.exec(text);
  if (condition !== null) {
    const [, name = '', status = 'True'] = condition;
    return { type: 'condition', condition: name, status: status.toLowerCase() };
  }
  if (text.startsWith('jsonpath=')) return jsonPathGoal(text.slice('jsonpath='.length));
  throw new CommandError(
    'usage',
    `--for ${text}: there is healthy, condition=TYPE[=STATUS], delete, create and jsonpath=PATH[=VALUE]`,
  );
}

/** `{.status.phase}=Running`: the value follows the closing brace, or the last = of a path without. */
function jsonPathGoal(text: string): Goal {
  const braced = /^(\{.*\})(?:=(.*))?$/s.exec(text);
  const [, path = '', value] = braced ?? /^([^=]*)(?:=(.*))?$/s.exec(text) ?? [];
  if (value === '')
    throw new CommandError('usage', `--for jsonpath=${text}: a value must follow =`);
  return {
    type: 'jsonpath',
    text: path,
    path: parsePath(path),
    ...(value === undefined ? {} : { value: value.replace(/^(["'])(.*)\1$/s, '$2') }),
  };
}

/** `object` is undefined if it does not exist. */
export function progressOf(goal: Goal, object: JsonObject | undefined): Progress {
  switch (goal.type) {
    case 'delete':
      return object === undefined ? { met: true, detail: 'gone' } : deletionOf(object);
    case 'create':
      return { met: object !== undefined, detail: object === undefined ? 'absent' : 'exists' };
    case 'healthy':
      return object === undefined ? absent : healthProgress(object);
    case 'condition':
      return object === undefined ? absent : conditionOf(goal, object);
    case 'jsonpath':
      return object === undefined ? absent : valueOf(goal, object);
  }
}

function healthProgress(object: JsonObject): Progress {
  const { status, message } = healthOf(object);
  return { met: status === 'Current', detail: message === '' ? status : `${status} (${message})` };
}

const absent: Progress = { met: false, detail: 'absent' };

const metadataSchema = z.object({
  generation: z.number().optional(),
  deletionTimestamp: z.string().nullish(),
  finalizers: z.array(z.string()).optional(),
});

const statusSchema = z.object({
  observedGeneration: z.number().optional(),
  conditions: z
    .array(
      z.object({
        type: z.string(),
        status: z.string(),
        reason: z.string().optional(),
        message: z.string().optional(),
        observedGeneration: z.number().optional(),
      }),
    )
    .optional(),
});

function deletionOf(object: JsonObject): Progress {
  const metadata = metadataSchema.safeParse(object['metadata']).data;
  if (typeof metadata?.deletionTimestamp !== 'string') {
    return { met: false, detail: 'nobody has deleted it' };
  }
  const finalizers = metadata.finalizers ?? [];
  const { status } = object;
  const left = isObject(status) && typeof status['replicas'] === 'number' ? status['replicas'] : 0;
  const tasks = left > 0 ? `${left} tasks left, ` : '';
  return { met: false, detail: `${tasks}held by ${finalizers.join(', ') || 'nobody'}` };
}

/** A condition counts only once it is about the present generation. */
function conditionOf(goal: Extract<Goal, { type: 'condition' }>, object: JsonObject): Progress {
  const generation = metadataSchema.safeParse(object['metadata']).data?.generation;
  const status = statusSchema.safeParse(object['status']).data;
  const wanted = goal.condition.toLowerCase();
  const found = status?.conditions?.find(({ type }) => type.toLowerCase() === wanted);
  if (found === undefined) return { met: false, detail: `no condition ${goal.condition} yet` };
  const observed = found.observedGeneration ?? status?.observedGeneration;
  if (generation !== undefined && observed !== undefined && observed < generation) {
    return { met: false, detail: `generation ${generation} has not been acted on yet` };
  }
  const reason = [found.reason, found.message].filter((part) => part).join(': ');
  const detail = `${found.type} is ${found.status}${reason === '' ? '' : ` (${reason})`}`;
  return { met: found.status.toLowerCase() === goal.status, detail };
}

function valueOf(goal: Extract<Goal, { type: 'jsonpath' }>, object: JsonObject): Progress {
  const values = evaluatePath(goal.path, object).map(valueText);
  const detail =
    values.length === 0 ? `${goal.text} has no value` : `${goal.text} is ${values.join(' ')}`;
  const met = goal.value === undefined ? values.length > 0 : values.includes(goal.value);
  return { met, detail };
}
