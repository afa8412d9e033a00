import { expect, test } from 'vitest';
import { UpdateStreams } from '../../../../hack/emulator/agent/updates.ts';
import type { TaskState, TaskStatus } from '../../../../proto/mesos/generated/messages.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

function setUp() {
  const clock = new VirtualClock();
  const sent: string[] = [];
  const streams = new UpdateStreams({
    clock,
    send: (_framework, status, latest) => sent.push(`${status.state}/${latest}`),
  });
  streams.resume();
  return { clock, sent, streams };
}

function status(state: TaskState, uuid: string): TaskStatus {
  return { task_id: { value: 't' }, state, uuid };
}

test('an update is repeated after 10 and 20 seconds and holds back the next', async () => {
  const { clock, sent, streams } = setUp();
  streams.add('f', status('TASK_STARTING', 'a'));
  streams.add('f', status('TASK_RUNNING', 'b'));
  await clock.advance(9_999);
  expect(sent).toEqual(['TASK_STARTING/TASK_STARTING']);
  await clock.advance(1);
  // What is repeated says how far the task has come since.
  expect(sent).toEqual(['TASK_STARTING/TASK_STARTING', 'TASK_STARTING/TASK_RUNNING']);
  await clock.advance(19_999);
  expect(sent).toHaveLength(2);
  await clock.advance(1);
  expect(sent).toHaveLength(3);
  streams.acknowledge('f', 't', 'a');
  expect(sent.at(-1)).toBe('TASK_RUNNING/TASK_RUNNING');
});

test('only the acknowledgement of the update that is waited for counts', () => {
  const { sent, streams } = setUp();
  streams.add('f', status('TASK_STARTING', 'a'));
  streams.add('f', status('TASK_RUNNING', 'b'));
  expect(streams.acknowledge('f', 't', 'b')).toBeUndefined();
  expect(streams.acknowledge('f', 't', 'a')?.state).toBe('TASK_STARTING');
  expect(streams.acknowledge('f', 't', 'a')).toBeUndefined();
  expect(sent).toEqual(['TASK_STARTING/TASK_STARTING', 'TASK_RUNNING/TASK_RUNNING']);
});

test('nothing is sent without a master, and everything unacknowledged once it is back', async () => {
  const { clock, sent, streams } = setUp();
  streams.pause();
  streams.add('f', status('TASK_STARTING', 'a'));
  await clock.advance(60_000);
  expect(sent).toEqual([]);
  streams.resume();
  expect(sent).toEqual(['TASK_STARTING/TASK_STARTING']);
});

test('what a framework has not acknowledged is sent at once when it has subscribed again', async () => {
  const { clock, sent, streams } = setUp();
  streams.add('f', status('TASK_STARTING', 'a'));
  streams.add('g', { ...status('TASK_RUNNING', 'b'), task_id: { value: 'u' } });
  await clock.advance(10_000);
  sent.length = 0;
  streams.resend('f');
  expect(sent).toEqual(['TASK_STARTING/TASK_STARTING']);
  // The wait begins anew: 10 seconds, not the 20 that were due.
  await clock.advance(10_000);
  expect(sent).toEqual(['TASK_STARTING/TASK_STARTING', 'TASK_STARTING/TASK_STARTING']);
});
