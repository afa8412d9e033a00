import type { TaskStatus } from '../../../../../api/v1/task.ts';

export const at = '2026-01-01T00:00:00Z';

/** Runs on two networks. */
export const running: TaskStatus = {
  phase: 'Running',
  mesos: {
    taskId: 'default.web-0-a',
    frameworkId: 'F-1',
    agentId: 'A-1',
    agentHostname: 'node-1',
    agentAddress: { hostname: 'node-1', ip: '10.1.0.1', port: 5051 },
    state: 'TASK_RUNNING',
  },
  ip: '172.29.11.12',
  ips: ['172.29.11.12', '172.29.12.7', 'fd29:12::7'],
  networks: [
    {
      name: 'dev-net',
      cniName: 'dev-net',
      interface: 'eth0',
      ips: ['172.29.11.12'],
      verdict: 'Assigned',
      lastTransitionTime: at,
    },
    {
      name: 'data-net',
      cniName: 'data-net',
      interface: 'eth1',
      ips: ['172.29.12.7', 'fd29:12::7'],
      verdict: 'Assigned',
      lastTransitionTime: at,
    },
  ],
  conditions: [
    { type: 'Ready', status: 'True', reason: 'Ready', message: 'ready', lastTransitionTime: at },
  ],
};

/** Finds no agent. */
export const pending: TaskStatus = {
  phase: 'Pending',
  conditions: [
    {
      type: 'Scheduled',
      status: 'False',
      reason: 'NoAgent',
      message: 'no agent offers 64Mi of memory',
      lastTransitionTime: at,
    },
  ],
};
