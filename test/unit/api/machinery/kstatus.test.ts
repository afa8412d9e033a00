import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../../api/machinery/json.ts';
import { healthOf } from '../../../../api/machinery/kstatus.ts';

function job(status?: JsonObject, metadata: JsonObject = {}): JsonObject {
  return { kind: 'Job', metadata: { name: 'web', generation: 2, ...metadata }, status };
}

function condition(type: string, status: string, reason = 'Because'): JsonObject {
  return { type, status, reason, message: `${type} it is` };
}

const ready = condition('Ready', 'True');
const reconciling = condition('Reconciling', 'True');
const stalled = condition('Stalled', 'True');

describe('the health of an object', () => {
  it.each<[string, JsonObject, string]>([
    ['without a status', job(), 'Current'],
    ['whose status has no conditions', job({ observedGeneration: 2 }), 'Current'],
    ['that nobody has acted on', job({ observedGeneration: -1 }), 'InProgress'],
    [
      'whose former generation is ready',
      job({ observedGeneration: 1, conditions: [ready] }),
      'InProgress',
    ],
    ['that is ready', job({ observedGeneration: 2, conditions: [ready] }), 'Current'],
    [
      'that was acted on for no generation it knows',
      job({ conditions: [ready] }, { generation: undefined }),
      'Current',
    ],
    ['that is not ready', job({ conditions: [condition('Ready', 'False')] }), 'InProgress'],
    [
      'of which it is not known',
      job({ conditions: [condition('Ready', 'Unknown')] }),
      'InProgress',
    ],
    ['that is ready and updated', job({ conditions: [ready, reconciling] }), 'InProgress'],
    ['that is ready and stalled', job({ conditions: [ready, stalled] }), 'Failed'],
    ['of which the first one counts', job({ conditions: [reconciling, stalled] }), 'InProgress'],
    [
      'that is neither',
      job({
        conditions: [ready, condition('Stalled', 'False'), condition('Reconciling', 'False')],
      }),
      'Current',
    ],
    [
      'that is deleted',
      job({ conditions: [stalled] }, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
      'Terminating',
    ],
    ['whose status is no status', { kind: 'Widget', metadata: {}, status: 'fine' }, 'Current'],
  ])('%s', (_, object, status) => {
    expect(healthOf(object).status).toBe(status);
  });

  const definition = (...conditions: JsonObject[]): JsonObject => ({
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com', generation: 1 },
    status: { conditions },
  });
  it.each<[string, JsonObject, string]>([
    ['new', definition(), 'InProgress'],
    ['established', definition(condition('Established', 'True')), 'Current'],
    ['being installed', definition(condition('Established', 'False', 'Installing')), 'InProgress'],
    ['refused', definition(condition('Established', 'False', 'NotAccepted')), 'Failed'],
    [
      'of names that are taken',
      definition(condition('NamesAccepted', 'False'), condition('Established', 'True')),
      'Failed',
    ],
  ])('a CustomResourceDefinition that is %s', (_, object, status) => {
    expect(healthOf(object).status).toBe(status);
  });

  it('says why', () => {
    expect(healthOf(job({ conditions: [stalled] })).message).toBe('Because: Stalled it is');
    expect(healthOf(job({ observedGeneration: -1 })).message).toBe(
      'Job is at generation 2, and controllers have acted on 0',
    );
  });
});
