import type { SimulatedCluster } from '../../../hack/emulator/cluster.ts';
import type { NetworkInfo } from '../../../proto/mesos/generated/messages.ts';
import type { ObservedStore } from '../store.ts';
import type { Ensemble } from '../zookeeper/ensemble.ts';

/** What every law may look at: the truth, as no controller sees it. */
export interface Truth {
  store: ObservedStore;
  ensemble: Ensemble;
  mesos: SimulatedCluster;
  /** Who leads, by the Lease that is stored. */
  holder(): string | undefined;
  /** Mesos ids of the tasks that run at this moment, on whatever agent. */
  runningTasks(): ReadonlySet<string>;
  /** What the plugins gave to the container of a task that runs. */
  networksOf(mesosTaskId: string): readonly NetworkInfo[];
  /** Milliseconds of simulated time. */
  now(): number;
}

export interface Violation {
  law: string;
  what: string;
}

/** Collects what broke a law. */
export class LawBook {
  readonly violations: Violation[] = [];
  /** Called with the first violation. */
  onViolation: (violation: Violation) => void = () => undefined;

  broken(law: string, what: string): void {
    const violation = { law, what };
    this.violations.push(violation);
    if (this.violations.length === 1) this.onViolation(violation);
  }
}
