import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { isOfferedTo, type NamespaceFacts, type Network } from './network.ts';
import { networkAttachmentSchema, type NetworkAttachment } from './template.ts';

/**
 * What an operator's Network allows of the attachments that name it. Admission refuses by these rules,
 * and by the same ones the loops find the Jobs that a later change of a Network contradicts.
 */

export interface AttachmentProblem {
  /** Where in the attachment: `name`, `labels[team]`, `portMappings[0]`. */
  field: string;
  /** What is wrong, whatever its place in a list: one fault of two versions has one key. */
  key: string;
  reason: NonNullable<FieldError['reason']>;
  /** The fault as Kubernetes begins its messages: `Invalid value: "x"`. */
  fault: string;
  /** Why it is one, and the mend. */
  why: string;
}

/** Every fault of an attachment; `network` is undefined if there is none of its name. */
export function attachmentProblems(
  attachment: NetworkAttachment,
  network: Network | undefined,
  namespace: NamespaceFacts,
): AttachmentProblem[] {
  const { name } = attachment;
  if (network === undefined || network.metadata.deletionTimestamp !== undefined) {
    const why =
      'there is no Network of this name: ask an operator to offer it, or see "get networks" for those there are';
    return [invalid('name', 'missing', name, why)];
  }
  const withheld = isOfferedTo(network, namespace)
    ? []
    : [
        invalid(
          'name',
          'withheld',
          name,
          `this Network is not offered to the namespace "${namespace.name}": an operator may add it to spec.namespaces`,
        ),
      ];
  return [
    ...withheld,
    ...familyProblems(attachment, network),
    ...labelProblems(attachment, network),
    ...portProblems(attachment, network),
  ];
}

function familyProblems({ ipFamilies = [] }: NetworkAttachment, network: Network) {
  const offered = network.spec.ipFamilies;
  const missing = ipFamilies.filter((family) => offered?.includes(family) === false);
  if (missing.length === 0) return [];
  const why = `the Network "${network.metadata.name}" assigns ${offered?.join(' and ') ?? ''} only`;
  return [invalid('ipFamilies', `family ${missing.join()}`, missing, why)];
}

function labelProblems({ labels = {} }: NetworkAttachment, network: Network): AttachmentProblem[] {
  const { requiredLabels = [], allowedLabels, forbiddenLabels = [] } = network.spec;
  const { name } = network.metadata;
  const absent = requiredLabels
    .filter((key) => !Object.hasOwn(labels, key))
    .map((key): AttachmentProblem => {
      const why = `the Network "${name}" wants this label of every attachment: add it`;
      const at = { field: `labels[${key}]`, key: `required ${key}` };
      return { ...at, reason: 'FieldValueRequired', fault: 'Required value', why };
    });
  const refused = Object.keys(labels).flatMap((key) => {
    const at = { field: `labels[${key}]`, key: `label ${key}` };
    if (forbiddenLabels.includes(key)) {
      return [forbidden(at, `the Network "${name}" forbids this label: remove it`)];
    }
    const allowed = allowedLabels && [...new Set([...requiredLabels, ...allowedLabels])];
    if (allowed === undefined || allowed.includes(key)) return [];
    const list = allowed.length === 0 ? 'no labels' : `the labels ${allowed.join(', ')} only`;
    return [forbidden(at, `the Network "${name}" allows ${list}: remove this one`)];
  });
  return [...absent, ...refused];
}

function portProblems({ portMappings = [] }: NetworkAttachment, network: Network) {
  if (network.spec.portMappings !== 'Forbidden') return [];
  const why = `the Network "${network.metadata.name}" allows no port mappings: remove it, the container has an address of its own`;
  return portMappings.map(({ hostPort, containerPort, protocol = 'tcp' }, index) =>
    forbidden(
      { field: `portMappings[${index}]`, key: `port ${hostPort} ${containerPort} ${protocol}` },
      why,
    ),
  );
}

function invalid(field: string, key: string, value: unknown, why: string): AttachmentProblem {
  const fault = `Invalid value: ${JSON.stringify(value)}`;
  return { field, key, reason: 'FieldValueInvalid', fault, why };
}

function forbidden(at: { field: string; key: string }, why: string): AttachmentProblem {
  return { ...at, reason: 'FieldValueForbidden', fault: 'Forbidden', why };
}

/** The faults that an attachment has and the version of it that was admitted before has not. */
export function newProblems(
  attachment: NetworkAttachment,
  before: NetworkAttachment | undefined,
  network: Network | undefined,
  namespace: NamespaceFacts,
): AttachmentProblem[] {
  const problems = attachmentProblems(attachment, network, namespace);
  if (before === undefined || problems.length === 0) return problems;
  const known = new Set(attachmentProblems(before, network, namespace).map(({ key }) => key));
  return problems.filter(({ key }) => !known.has(key));
}

/** One attachment of a Job that its Network does not allow any more. */
export interface Contradiction {
  network: string;
  isDeleted: boolean;
  why: string;
}

/** Where admitted attachments contradict the Networks as they are now. */
export function contradictionsOf(
  attachments: readonly NetworkAttachment[],
  networkOf: (name: string) => Network | undefined,
  namespace: NamespaceFacts,
): Contradiction[] {
  return attachments.flatMap((attachment): Contradiction[] => {
    const { name } = attachment;
    const network = networkOf(name);
    if (network === undefined || network.metadata.deletionTimestamp !== undefined) {
      return [{ network: name, isDeleted: true, why: `the Network "${name}" was deleted` }];
    }
    return attachmentProblems(attachment, network, namespace).map(({ field, why }) => ({
      network: name,
      isDeleted: false,
      why: `${field === 'name' ? name : `${name} ${field}`}: ${why}`,
    }));
  });
}

/** Jobs named in one message; the rest are counted. */
const namedJobs = 5;

/** What people are told of a Network that Jobs contradict; undefined if none does. */
export function contradictionMessage(jobs: readonly KubeObject[]): string | undefined {
  if (jobs.length === 0) return undefined;
  const names = jobs.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`).sort();
  const more = names.length > namedJobs ? ` and ${names.length - namedJobs} more` : '';
  const list = `${names.slice(0, namedJobs).join(', ')}${more}`;
  const subject = names.length === 1 ? '1 Job contradicts' : `${names.length} Jobs contradict`;
  return `${subject} it: ${list}; ${reassurance}`;
}

export const reassurance = 'what runs goes on, and is replaced as before';

/** The attachments in a document's `networks`, those that are well-formed. */
export function attachmentsIn(networks: unknown): NetworkAttachment[] {
  if (!Array.isArray(networks)) return [];
  return networks.flatMap((attachment: unknown) => {
    const parsed = networkAttachmentSchema.safeParse(attachment);
    return parsed.success ? [parsed.data] : [];
  });
}
