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
      clock.after(latency, () => {
        const next = waiting.shift();
        if (open) next?.();
      });
    };
  };
  const downwards = queue();
  const upwards = queue();
  const close = (): void => {
    if (!open) return;
    open = false;
    clock.after(latency, () => {
      atMaster.closed();
      atAgent.closed();
      options.onClose?.();
    });
  };
  const toAgent: Link<ToAgent> = {
    send: (message) => {
      downwards(() => {
        atAgent.receive(message);
      });
    },
    close,
  };
  const toMaster: Link<ToMaster> = {
    send: (message) => {
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
