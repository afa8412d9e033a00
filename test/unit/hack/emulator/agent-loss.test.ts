import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { TaskStatus } from '../../../../proto/mesos/generated/messages.ts';
import { TestEmulator } from '../../../support/emulator.ts';
import { TestFramework, shellTask } from '../../../support/test-framework.ts';

let emulator: TestEmulator;
let framework: TestFramework;

beforeAll(async () => {
  emulator = await TestEmulator.start({
    mode: 'process',
    agents: 1,
    timings: { agentPingTimeout: 1000, maxAgentPingTimeouts: 3 },
  });
});

beforeEach(async () => {
  framework = await TestFramework.subscribe(emulator.master);
});

afterEach(() => {
  framework.close();
});

afterAll(async () => {
  await emulator.stop();
});

async function running(id: string): Promise<TaskStatus> {
  await framework.launch(shellTask(id, 'sleep 600', ['dev-net']));
  return framework.status(id, 'TASK_RUNNING');
}

function returned(id: string): Promise<TaskStatus> {
  return framework.event(({ update }) =>
    update?.status.task_id.value === id && update.status.reason === 'REASON_AGENT_REREGISTERED'
      ? update.status
      : undefined,
  );
}

test('tasks of an agent that stays away are unreachable, and run again when it is back', async () => {
  const before = await running('away');
  await emulator.killAgent(0);
  const lost = await framework.status('away', 'TASK_UNREACHABLE');
  expect(lost).toMatchObject({
    source: 'SOURCE_MASTER',
    reason: 'REASON_AGENT_REMOVED',
    message: 'health check timed out',
  });
  expect(lost.uuid).toBeUndefined();
  expect(lost.container_status).toBeUndefined();
  await framework.event((event) => event.failure);
  await emulator.startAgent(0);
  const back = await returned('away');
  expect(back.state).toBe('TASK_RUNNING');
  expect(back.container_status).toEqual(before.container_status);
});

test('an agent that was only frozen is told, and its tasks run again', async () => {
  await running('frozen');
  await emulator.pauseAgent(0);
  await framework.status('frozen', 'TASK_UNREACHABLE');
  await emulator.resumeAgent(0);
  expect((await returned('frozen')).state).toBe('TASK_RUNNING');
});

test('an agent that leaves takes its tasks with it', async () => {
  await running('leaving');
  await emulator.unregisterAgent(0);
  const { message, reason } = await framework.status('leaving', 'TASK_LOST');
  expect(message).toBe('Agent agent1.test removed: the agent unregistered');
  expect(reason).toBe('REASON_AGENT_REMOVED');
  await emulator.startAgent(0);
  await running('next');
});

test('tasks of a framework that does not checkpoint end with their agent', async () => {
  const careless = await TestFramework.subscribe(emulator.master, { checkpoint: false });
  framework.close();
  await careless.launch(shellTask('careless', 'sleep 600', ['dev-net']));
  await careless.status('careless', 'TASK_RUNNING');
  await emulator.killAgent(0);
  const { message, reason } = await careless.status('careless', 'TASK_LOST');
  expect(message).toBe('Agent agent1.test disconnected');
  expect(reason).toBe('REASON_AGENT_DISCONNECTED');
  await emulator.startAgent(0);
  await careless.event(({ offers }) => offers);
  careless.close();
});
