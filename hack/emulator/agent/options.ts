import type { Clock } from '../../../api/machinery/clock.ts';
import type { Random } from '../../../api/machinery/random.ts';
import type { AgentInfo } from '../../../proto/mesos/generated/messages.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Runtime } from './runtime.ts';
import type { ExecutorTimings } from './task-run.ts';

export interface AgentOptions {
  clock: Clock;
  random: Random;
  /** Without id: the master gives one, unless the checkpoint has it. */
  info: AgentInfo;
  /** The advertised address. */
  ip: string;
  runtime: Runtime;
  checkpoint?: Checkpoint;
  timings?: Partial<ExecutorTimings> & { updateRetryMin?: number; updateRetryMax?: number };
  /** The master does not want the agent any more; its tasks are ended when this is called. */
  onShutdown?: () => void;
}
