import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OfferOperation, SchedulerEvent } from '../../../../proto/mesos/generated/messages.ts';
import { TestEmulator } from '../../../support/emulator.ts';
import { TestFramework, shellTask } from '../../../support/test-framework.ts';

let emulator: TestEmulator;
let framework: TestFramework;
beforeAll(async () => {
  emulator = await TestEmulator.start({ agents: 1, timings: { allocationInterval: 50 } });
  framework = await TestFramework.subscribe(emulator.master);
});
afterAll(async () => {
  framework.close();
  await emulator.stop();
});

const reserve = (id: string): OfferOperation => ({
  type: 'RESERVE',
  id: { value: id },
  reserve: { resources: [{ name: 'cpus', type: 'SCALAR', scalar: { value: 1 } }] },
});

const statusOf =
  (id: string) =>
  ({ update_operation_status: update }: SchedulerEvent) =>
    update?.status.operation_id?.value === id ? update.status : undefined;

test('operations that it does not have fail like invalid ones, and the tasks beside them run', async () => {
  const { id, agent_id } = await framework.offer();
  const task = { ...shellTask('beside', 'sleep 1000'), agent_id };
  await framework.call({
    type: 'ACCEPT',
    accept: {
      offer_ids: [id],
      operations: [
        reserve('mine'),
        { type: 'UNRESERVE', unreserve: { resources: [] } },
        { type: 'LAUNCH', launch: { task_infos: [task] } },
      ],
    },
  });
  await framework.status('beside', 'TASK_RUNNING');
  const status = await framework.event(statusOf('mine'));
  expect(status).toEqual({
    operation_id: { value: 'mine' },
    state: 'OPERATION_ERROR',
    message: 'RESERVE is not supported by this master',
  });
  // Without an id nothing is said.
  expect(framework.events.filter(({ type }) => type === 'UPDATE_OPERATION_STATUS')).toHaveLength(1);
});

test('operations on an offer that is gone fail with the reason', async () => {
  const offer_ids = [{ value: 'no-such-offer' }];
  await framework.call({ type: 'ACCEPT', accept: { offer_ids, operations: [reserve('late')] } });
  const { state, message } = await framework.event(statusOf('late'));
  expect([state, message]).toEqual(['OPERATION_ERROR', 'Offer no-such-offer is no longer valid']);
});
