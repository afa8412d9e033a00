import type { FieldError } from '../machinery/errors.ts';
import { parseQuantity } from '../machinery/quantity.ts';
import { validateAddresses, validateDeadline } from './address-rules.ts';
import { validateContents } from './contents.ts';
import { validateProbe } from './probe-rules.ts';
import {
  limits,
  type Constraint,
  type Container,
  type ContainerPort,
  type TemplateSpec,
} from './template.ts';

/** Rules of a launchable spec that go beyond its shape. `path` leads to the spec. */
export function validateLaunch(spec: TemplateSpec, path: string): FieldError[] {
  return [
    ...duplicates(
      spec.containers.map(({ name }) => name),
      (i) => `${path}.containers[${i}].name`,
    ),
    ...duplicates(
      (spec.networks ?? []).map(({ name }) => name),
      (i) => `${path}.networks[${i}].name`,
    ),
    ...(spec.networks ?? []).flatMap((network, i) =>
      validateAddresses(network, `${path}.networks[${i}]`),
    ),
    ...validateDeadline(spec, path),
    ...duplicates(
      (spec.volumes ?? []).map(({ name }) => name),
      (i) => `${path}.volumes[${i}].name`,
    ),
    ...validateContents(spec, path),
    ...validatePorts(spec, path),
    ...spec.containers.flatMap((container, i) =>
      validateContainer(container, spec, `${path}.containers[${i}]`),
    ),
    ...(spec.constraints ?? []).flatMap((constraint, i) =>
      validateConstraint(constraint, `${path}.constraints[${i}]`),
    ),
  ];
}

function duplicates(values: readonly string[], path: (index: number) => string): FieldError[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) === index
      ? []
      : [
          {
            field: path(index),
            message: `Duplicate value: "${value}": give each its own`,
            reason: 'FieldValueDuplicate' as const,
          },
        ],
  );
}

/** The containers of a task share its namespace, so names and numbers are unique over all of them. */
function validatePorts(spec: TemplateSpec, path: string): FieldError[] {
  const ports = spec.containers.flatMap((container, c) =>
    (container.ports ?? []).map((port, p) => ({
      port,
      field: `${path}.containers[${c}].ports[${p}]`,
    })),
  );
  const hostNetwork = (spec.networks ?? []).length === 0;
  const number = ({ port }: (typeof ports)[number]): string =>
    `${port.protocol ?? 'TCP'} ${(hostNetwork ? port.hostPort : undefined) ?? port.containerPort ?? 0}`;
  const fixed = ports.filter((entry) => !number(entry).endsWith(' 0'));
  return [
    ...duplicates(
      ports.map(({ port }) => port.name),
      (i) => `${ports[i]?.field ?? path}.name`,
    ),
    ...duplicates(
      fixed.map(number),
      (i) =>
        `${fixed[i]?.field ?? path}.${hostNetwork && fixed[i]?.port.hostPort !== undefined ? 'hostPort' : 'containerPort'}`,
    ),
    ...ports.flatMap(({ port, field }) => validatePort(port, field, hostNetwork)),
  ];
}

function validatePort(port: ContainerPort, field: string, hostNetwork: boolean): FieldError[] {
  if (hostNetwork && port.hostPort === undefined && port.containerPort === undefined) {
    return [
      {
        field: `${field}.hostPort`,
        message:
          'Required value: a task on the network of its agent needs hostPort (0 for any) or containerPort',
        reason: 'FieldValueRequired',
      },
    ];
  }
  if (!hostNetwork && port.containerPort === undefined) {
    return [
      {
        field: `${field}.containerPort`,
        message: 'Required value: the port that the container listens on',
        reason: 'FieldValueRequired',
      },
    ];
  }
  if (!hostNetwork && port.hostPort !== undefined) {
    return [
      {
        field: `${field}.hostPort`,
        message:
          'Forbidden: hostPort is for tasks on the network of their agent; use portMappings of a network',
        reason: 'FieldValueForbidden',
      },
    ];
  }
  return [];
}

function validateContainer(container: Container, spec: TemplateSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (container.script === undefined && container.command === undefined) {
    errors.push({
      field: path,
      message: 'Required value: one of script or command must say what to run',
      reason: 'FieldValueRequired',
    });
  }
  if (container.script !== undefined && container.command !== undefined) {
    errors.push({
      field: `${path}.script`,
      message: 'Forbidden: give script or command, not both',
      reason: 'FieldValueForbidden',
    });
  }
  if (container.args !== undefined && container.command === undefined) {
    errors.push({
      field: `${path}.args`,
      message: 'Forbidden: args follow command; put them into the script',
      reason: 'FieldValueForbidden',
    });
  }
  errors.push(
    ...duplicates(
      (container.env ?? []).map(({ name }) => name),
      (i) => `${path}.env[${i}].name`,
    ),
  );
  errors.push(
    ...duplicates(
      (container.volumeMounts ?? []).map(({ mountPath }) => mountPath),
      (i) => `${path}.volumeMounts[${i}].mountPath`,
    ),
  );
  errors.push(...validateResources(container, `${path}.resources`));
  for (const probe of ['readinessProbe', 'livenessProbe'] as const) {
    const value = container[probe];
    if (value !== undefined) errors.push(...validateProbe(value, spec, `${path}.${probe}`));
  }
  return errors;
}

const bounds = {
  cpu: { least: 0.01, most: limits.cores },
  memory: { least: 2 ** 20, most: limits.bytes },
  'ephemeral-storage': { least: 0, most: limits.bytes },
} as const;

function validateResources(container: Container, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { requests, limits: most } = container.resources ?? {};
  for (const name of ['cpu', 'memory', 'ephemeral-storage'] as const) {
    const request = readQuantity(requests?.[name], name, `${path}.requests.${name}`, errors);
    const limit = readQuantity(most?.[name], name, `${path}.limits.${name}`, errors);
    if (requests?.[name] === undefined && name !== 'ephemeral-storage') {
      errors.push({
        field: `${path}.requests.${name}`,
        message: `Required value: say how much ${name} is reserved, e.g. ${name === 'cpu' ? '100m' : '64Mi'}`,
        reason: 'FieldValueRequired',
      });
    }
    if (name === 'ephemeral-storage' && limit !== undefined && limit !== (request ?? 0)) {
      errors.push({
        field: `${path}.limits.${name}`,
        message: `Invalid value: "${String(most?.[name])}": Mesos limits disk to the request; raise the request instead`,
        reason: 'FieldValueInvalid',
      });
    } else if (request !== undefined && limit !== undefined && limit < request) {
      errors.push({
        field: `${path}.limits.${name}`,
        message: `Invalid value: "${String(most?.[name])}": must not be less than the request "${String(requests?.[name])}"`,
        reason: 'FieldValueInvalid',
      });
    }
  }
  return errors;
}

function readQuantity(
  text: string | number | undefined,
  name: keyof typeof bounds,
  field: string,
  errors: FieldError[],
): number | undefined {
  if (text === undefined) return undefined;
  const value = parseQuantity(text);
  const { least, most } = bounds[name];
  if (value === undefined) {
    errors.push({
      field,
      message: `Invalid value: "${text}": must be a quantity such as ${name === 'cpu' ? '200m or 1.5' : '64Mi or 1G'}`,
      reason: 'FieldValueInvalid',
    });
  } else if (value < least || value > most) {
    const [low, high] = name === 'cpu' ? ['10m', String(most)] : [least === 0 ? '0' : '1Mi', '1Pi'];
    errors.push({
      field,
      message: `Invalid value: "${text}": must be between ${low} and ${high}`,
      reason: 'FieldValueInvalid',
    });
  }
  return value;
}

function validateConstraint({ operator, values, max }: Constraint, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const count = values?.length ?? 0;
  if (operator === 'Equals' && count !== 1)
    errors.push({
      field: `${path}.values`,
      message: 'Required value: Equals needs exactly one value',
      reason: 'FieldValueRequired',
    });
  if (operator === 'In' && count === 0)
    errors.push({
      field: `${path}.values`,
      message: 'Required value: In needs at least one value',
      reason: 'FieldValueRequired',
    });
  if ((operator === 'Unique' || operator === 'MaxPerDomain') && count > 0)
    errors.push({
      field: `${path}.values`,
      message: `Forbidden: ${operator} takes no values`,
      reason: 'FieldValueForbidden',
    });
  if (operator === 'MaxPerDomain' && max === undefined)
    errors.push({
      field: `${path}.max`,
      message: 'Required value: MaxPerDomain needs max',
      reason: 'FieldValueRequired',
    });
  if (operator !== 'MaxPerDomain' && max !== undefined)
    errors.push({
      field: `${path}.max`,
      message: `Forbidden: max is for MaxPerDomain, not for ${operator}`,
      reason: 'FieldValueForbidden',
    });
  return errors;
}
