import type { Container, NetworkAttachment, TemplateSpec } from '../../v1/template.ts';
import { environmentLines, mountsText, volumeLines } from './contents.ts';
import { fields, indent, section } from './text.ts';

/** What is launched: networks, containers, volumes, constraints. */
export function launchLines(spec: TemplateSpec): string[] {
  return [
    ...fields([
      ['Networks', networksText(spec.networks)],
      ['Constraints', constraintsText(spec)],
    ]),
    ...section(
      'Containers',
      spec.containers.flatMap((container) => [
        `${container.name}:`,
        ...indent(containerLines(container)),
      ]),
    ),
    ...section('Volumes', volumeLines(spec.volumes)),
  ];
}

function networksText(networks: readonly NetworkAttachment[] | undefined): string[] {
  if (networks === undefined || networks.length === 0) return ['<that of the agent>'];
  return networks.map(({ name, labels, ipFamilies }) => {
    const tags = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
    const notes = [...(ipFamilies ?? []), ...tags].join(', ');
    return notes === '' ? name : `${name} (${notes})`;
  });
}

function constraintsText({ constraints }: TemplateSpec): string[] | undefined {
  return constraints?.map(({ attribute, operator, values, max }) => {
    const operands = max === undefined ? (values ?? []).join(', ') : String(max);
    return `${attribute} ${operator}${operands === '' ? '' : ` ${operands}`}`;
  });
}

function containerLines(container: Container): string[] {
  const { script, command, args, resources, ports } = container;
  return fields([
    ['Script', script],
    ['Command', command === undefined ? undefined : [...command, ...(args ?? [])].join(' ')],
    ['Requests', resourcesText(resources?.requests)],
    ['Limits', resourcesText(resources?.limits)],
    ['Ports', ports?.map(portText)],
    ['Readiness', container.readinessProbe && probeText(container.readinessProbe)],
    ['Liveness', container.livenessProbe && probeText(container.livenessProbe)],
    ['Environment', environmentLines(container)],
    ['Mounts', mountsText(container)],
  ]);
}

function resourcesText(
  resources: Readonly<Record<string, string | number | undefined>> | undefined,
): string | undefined {
  if (resources === undefined) return undefined;
  return Object.entries(resources)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]))
    .join(', ');
}

function portText(port: NonNullable<Container['ports']>[number]): string {
  const numbers = [
    ...(port.containerPort === undefined ? [] : [String(port.containerPort)]),
    ...(port.hostPort === undefined ? [] : [`host ${port.hostPort || 'any'}`]),
  ];
  return `${port.name} ${numbers.join(', ')} ${port.protocol ?? 'TCP'}`;
}

function probeText(probe: NonNullable<Container['readinessProbe']>): string {
  const { httpGet, tcpSocket, grpc, exec, periodSeconds } = probe;
  const what =
    httpGet !== undefined
      ? `HTTP GET ${httpGet.path ?? '/'} on port ${httpGet.port}`
      : tcpSocket !== undefined
        ? `TCP connect to port ${tcpSocket.port}`
        : grpc !== undefined
          ? `gRPC health${grpc.service === undefined ? '' : ` of ${grpc.service}`} on port ${grpc.port}`
          : `command ${(exec?.command ?? []).join(' ')}`;
  return periodSeconds === undefined ? what : `${what}, every ${periodSeconds}s`;
}
