import { findCondition, type Condition } from '../../machinery/conditions.ts';
import { without } from '../../machinery/json.ts';
import { addressesReadyGate, type Pod, type PodContainer, type PodPhase } from '../../v1/pod.ts';
import {
  isDead,
  phaseOf,
  taskDefaults,
  type ContainerStatus,
  type Task,
  type TaskPhase,
} from '../../v1/task.ts';
import type { Container } from '../../v1/template.ts';
import { containerState } from './container-state.ts';

/** A Task as a Pod. Pure: the same Task gives the same Pod, so both have the same resourceVersion. */
export function podOf(task: Task): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: metadataOf(task),
    spec: specOf(task),
    status: statusOf(task),
  };
}

const phases: Readonly<Record<TaskPhase, PodPhase>> = {
  Pending: 'Pending',
  Launching: 'Pending',
  Starting: 'Pending',
  Running: 'Running',
  Stopping: 'Running',
  Unreachable: 'Unknown',
  Finished: 'Succeeded',
  Failed: 'Failed',
  Killed: 'Failed',
};

export function podPhase(task: Task): PodPhase {
  return phases[phaseOf(task)];
}

/** Host name of the agent; empty before there is one. */
export function nodeNameOf(task: Task): string {
  return task.status?.mesos?.agentHostname?.toLowerCase() ?? '';
}

/** Those of the Task, but for what is about the Task's own fields. */
function metadataOf({ metadata, spec }: Task): Pod['metadata'] {
  const kept = without(metadata, 'generation', 'managedFields', 'generateName');
  if (metadata.deletionTimestamp === undefined) return kept;
  // kubectl describe relies on it.
  return {
    ...kept,
    deletionGracePeriodSeconds: wholeSeconds(
      spec.terminationGracePeriodSeconds ?? taskDefaults.terminationGracePeriodSeconds,
    ),
  };
}

/** Clients of Kubernetes take no fractions. */
function wholeSeconds(seconds: number): number {
  return Math.ceil(seconds);
}

function specOf(task: Task): Pod['spec'] {
  const { containers, volumes, networks = [], terminationGracePeriodSeconds } = task.spec;
  const nodeName = nodeNameOf(task);
  return {
    ...(volumes === undefined ? {} : { volumes }),
    containers: containers.map((container) => containerOf(task, container)),
    ...(nodeName === '' ? {} : { nodeName }),
    ...(networks.length === 0
      ? { hostNetwork: true }
      : { readinessGates: [{ conditionType: addressesReadyGate }] }),
    // kubectl debug takes it for granted, as every kube-apiserver writes it.
    securityContext: {},
    restartPolicy: 'Never',
    ...(terminationGracePeriodSeconds === undefined
      ? {}
      : { terminationGracePeriodSeconds: wholeSeconds(terminationGracePeriodSeconds) }),
  };
}

function containerOf(task: Task, container: Container): PodContainer {
  const { name, script, command, args, env, envFrom, resources, volumeMounts } = container;
  const ports = portsOf(task, container);
  return {
    name,
    image: '',
    ...(script === undefined ? {} : { command: ['/bin/sh', '-c', script] }),
    ...(command === undefined ? {} : { command }),
    ...(args === undefined ? {} : { args }),
    ...(envFrom === undefined ? {} : { envFrom }),
    ...(env === undefined ? {} : { env: env.map(variableOf) }),
    ...(ports.length === 0 ? {} : { ports }),
    resources: {
      ...(resources?.requests === undefined ? {} : { requests: texts(resources.requests) }),
      ...(resources?.limits === undefined ? {} : { limits: texts(resources.limits) }),
    },
    ...(volumeMounts === undefined
      ? {}
      : { volumeMounts: volumeMounts.map((mount) => ({ ...mount, readOnly: true as const })) }),
  };
}

/** Without its value: that may be a secret, and whoever reads pods need not be allowed to know it. */
function variableOf({
  name,
  valueFrom,
}: NonNullable<Container['env']>[number]): NonNullable<PodContainer['env']>[number] {
  return valueFrom === undefined ? { name } : { name, valueFrom };
}

function texts(quantities: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(quantities).map(([name, quantity]) => [name, String(quantity)]),
  );
}

function portsOf({ status }: Task, { ports = [] }: Container): NonNullable<PodContainer['ports']> {
  return ports.flatMap(({ name, containerPort, protocol = 'TCP' }) => {
    const hostPort = status?.ports?.find((port) => port.name === name)?.hostPort;
    const number = containerPort ?? hostPort;
    // A port that is yet to be taken from an offer has no number.
    if (number === undefined) return [];
    return {
      name,
      containerPort: number,
      ...(hostPort === undefined ? {} : { hostPort }),
      protocol,
    };
  });
}

function statusOf(task: Task): Pod['status'] {
  const { ip, ips = [], mesos, scheduledTime } = task.status ?? {};
  const hostIP = mesos?.agentAddress?.ip;
  const containerStatuses = task.spec.containers.map((container) => {
    const seen = task.status?.containers?.find(({ name }) => name === container.name);
    const state = containerState(task, container.name);
    const runs = state.running !== undefined && podPhase(task) === 'Running';
    const containerId = seen?.containerId ?? onlyContainerId(task);
    return {
      name: container.name,
      state,
      ready: runs && succeeds(container, seen),
      started: runs,
      restartCount: task.spec.restarts,
      image: '',
      imageID: '',
      ...(containerId === undefined ? {} : { containerID: `mesos://${containerId}` }),
    };
  });
  return {
    phase: podPhase(task),
    ...whyOf(task),
    ...(hostIP === undefined ? {} : { hostIP }),
    ...(ip === undefined ? {} : { podIP: ip }),
    ...(ips.length === 0 ? {} : { podIPs: ips.map((each) => ({ ip: each })) }),
    ...(scheduledTime === undefined ? {} : { startTime: scheduledTime }),
    conditions: conditionsOf(
      task,
      containerStatuses.every(({ ready }) => ready),
    ),
    containerStatuses,
  };
}

function onlyContainerId({ spec, status }: Task): string | undefined {
  return spec.containers.length === 1 ? status?.mesos?.containerId : undefined;
}

function succeeds({ readinessProbe }: Container, seen: ContainerStatus | undefined): boolean {
  return readinessProbe === undefined || seen?.probe === 'Succeeded';
}

/** What keeps a live task from being ready: kubectl describe shows no messages of conditions. */
function whyNotReady(task: Task): string | undefined {
  const { conditions } = task.status ?? {};
  const phase = phaseOf(task);
  const type = phase === 'Pending' ? 'Scheduled' : phase === 'Running' ? 'Ready' : undefined;
  const condition = type === undefined ? undefined : findCondition(conditions, type);
  return condition?.status === 'False' ? condition.message : undefined;
}

function whyOf(task: Task): { reason?: string; message?: string } {
  const { stop } = task.spec;
  const message = stop?.message ?? whyNotReady(task) ?? task.status?.mesos?.message;
  const said = message === undefined || message === '' ? {} : { message };
  const phase = phaseOf(task);
  if (phase === 'Unreachable') return { reason: 'NodeLost', ...said };
  if (phase === 'Killed') return { reason: 'Killed', ...said };
  if (!isDead(task) && (stop !== undefined || phase === 'Stopping')) {
    return { reason: 'Terminating', ...said };
  }
  return said;
}

/** In Kubernetes' order. Each changes when what it is made of does. */
function conditionsOf(task: Task, allReady: boolean): Condition[] {
  const { conditions, startTime, scheduledTime } = task.status ?? {};
  const { creationTimestamp } = task.metadata;
  const scheduled = findCondition(conditions, 'Scheduled');
  const ready = findCondition(conditions, 'Ready');
  const addresses = findCondition(conditions, 'AddressesReady');
  const bound = scheduledTime !== undefined;
  const started = startTime !== undefined;
  return [
    {
      type: 'PodScheduled',
      status: bound ? 'True' : 'False',
      reason: bound ? 'Scheduled' : 'Unschedulable',
      message: scheduled?.message ?? '',
      lastTransitionTime: scheduledTime ?? scheduled?.lastTransitionTime ?? creationTimestamp,
    },
    {
      type: 'Initialized',
      status: bound ? 'True' : 'False',
      reason: bound ? 'Scheduled' : 'NotScheduled',
      message: '',
      lastTransitionTime: scheduledTime ?? creationTimestamp,
    },
    {
      type: 'ContainersReady',
      status: allReady ? 'True' : 'False',
      reason: allReady ? 'ContainersReady' : 'ContainersNotReady',
      message: '',
      lastTransitionTime: ready?.lastTransitionTime ?? startTime ?? creationTimestamp,
    },
    {
      type: 'Ready',
      status: ready?.status ?? 'False',
      reason: ready?.reason ?? (started ? 'ContainersNotReady' : 'NotStarted'),
      message: ready?.message ?? '',
      lastTransitionTime: ready?.lastTransitionTime ?? creationTimestamp,
    },
    ...(addresses === undefined || (task.spec.networks ?? []).length === 0
      ? []
      : [{ ...addresses, type: addressesReadyGate }]),
  ];
}
