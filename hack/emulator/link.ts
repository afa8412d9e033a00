import type { Clock } from '../../api/machinery/clock.ts';
import type { Agent } from './agent/agent.ts';
import type { Master } from './master/master.ts';
import type { Link, ToAgent, ToMaster } from './protocol.ts';

/** Connects an agent to a master in the same process; each message takes `latency` ms. */
export function connectInMemory(
  clock: Clock,
  master: Master,
  agent: Agent,
  options: { latency?: number; onClose?: () => void } = {},
): { close(): void } {
  const latency = options.latency ?? 0;
  let open = true;
  // Timers of equal due time may run in any order; messages must not.
  const queue = (): ((work: () => void) => void) => {
    const waiting: (() => void)[] = [];
    return (work) => {
      waiting.push(work);
      clock.after(latency, () => waiting.shift()?.());
    };
  };
  const downwards = queue();
  const upwards = queue();
  /** What was sent before still arrives, then the end does. */
  const close = (): void => {
    if (!open) return;
    open = false;
    upwards(() => {
      atMaster.closed();
    });
    downwards(() => {
      atAgent.closed();
      options.onClose?.();
    });
  };
  const toAgent: Link<ToAgent> = {
    send: (message) => {
      if (!open) return;
      downwards(() => {
        atAgent.receive(message);
      });
    },
    close,
  };
  const toMaster: Link<ToMaster> = {
    send: (message) => {
      if (!open) return;
      upwards(() => {
        atMaster.receive(message);
      });
    },
    close,
  };
  const atMaster = master.agentConnected(toAgent);
  const atAgent = agent.connected(toMaster);
  return { close };
}
