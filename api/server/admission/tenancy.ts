import type { FieldError } from '../../machinery/errors.ts';
import { jsonEqual, valueAt } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import { namespaceResource } from '../../v1/core.ts';
import { group } from '../../v1/group.ts';
import { jobResource } from '../../v1/job.ts';
import { jobRevisionResource } from '../../v1/job-revision.ts';
import {
  tenancyOmissions,
  tenancyProblems,
  tenancyRefusals,
  withTenancy,
} from '../../v1/tenancy.ts';
import type { Admission, AdmissionRequest, Defaulter, Lookup } from '../registry/context.ts';

const templatePath = ['spec', 'template'];

/** Where a kind says whom its tasks belong to. */
const launchPaths: Readonly<Record<string, readonly string[]>> = {
  Job: ['spec', 'template', 'spec'],
  JobRevision: ['spec', 'template', 'spec'],
  Task: ['spec'],
};

/** Gives a Job the user and the role of its namespace where it names none. */
export const giveTenancy: Defaulter = async ({ resource, namespace, object, old }, lookup) => {
  const { gvk } = resource;
  if (gvk.group !== group || gvk.kind !== 'Job' || namespace === undefined) return object;
  const isSame = old !== undefined && jsonEqual(at(object), at(old));
  const found = isSame
    ? undefined
    : await lookup.get(namespaceResource.plural, { name: namespace });
  return withTenancy(object, old, found);
};

function at(job: KubeObject): unknown {
  return valueAt(job, templatePath);
}

/** What operators write on Namespaces about users and roles must be users and roles. */
export const admitTenancy: Admission = ({ resource, object, old }) => {
  const { gvk } = resource;
  if (gvk.group !== '' || gvk.kind !== 'Namespace') return Promise.resolve([]);
  const known = old === undefined ? [] : tenancyProblems(old).map(({ message }) => message);
  return Promise.resolve(tenancyProblems(object).filter(({ message }) => !known.includes(message)));
};

/**
 * Tasks run as users, and take resources of roles, that their namespace allows. `roles` are those that
 * offers are taken for, if this process knows them. An update is held to what it changes, a JobRevision to
 * what its Job was not admitted with, and a Task to what neither of the two was.
 */
export function restrictTenancy(roles: readonly string[] | undefined): Admission {
  return async (request, lookup) => {
    const { resource, namespace, object, subresource } = request;
    const { gvk } = resource;
    const path = gvk.group === group ? launchPaths[gvk.kind] : undefined;
    if (path === undefined || namespace === undefined || subresource !== undefined) return [];
    const saysNothing = ['user', 'role'].every(
      (field) => valueAt(object, [...path, field]) === undefined,
    );
    // A Job is given what it does not say; nobody gives anything to what is made from it.
    const mayOmit = gvk.kind === 'Job' || request.old !== undefined;
    if (saysNothing && mayOmit) return [];
    const admitted = await admittedWith(request, lookup);
    const found = await lookup.get(namespaceResource.plural, { name: namespace });
    const spec = { path, object };
    const within = { name: namespace, object: found };
    const refusals = [
      ...tenancyRefusals(spec, admitted, within),
      ...(mayOmit ? [] : tenancyOmissions(spec, admitted, within)),
    ];
    return [...refusals, ...(admitted.length === 0 ? unsubscribed(object, path, roles) : [])];
  };
}

async function admittedWith(
  { resource, namespace, object, old }: AdmissionRequest,
  lookup: Lookup,
): Promise<KubeObject[]> {
  if (old !== undefined) return [old];
  if (namespace === undefined) return [];
  const owners = originsOf(resource.gvk.kind, object);
  const found = await Promise.all(
    owners.map(async ([plural, name]) =>
      typeof name === 'string' ? await lookup.get(plural, { namespace, name }) : undefined,
    ),
  );
  return found.filter((one) => one !== undefined);
}

/** What an object was made from, by plural and name. */
function originsOf(kind: string, object: KubeObject): (readonly [string, unknown])[] {
  switch (kind) {
    case 'Task':
      return [
        [jobResource.plural, valueAt(object, ['spec', 'job'])],
        [jobRevisionResource.plural, valueAt(object, ['spec', 'revision'])],
      ];
    case 'JobRevision': {
      const owners = object.metadata.ownerReferences ?? [];
      const jobs = owners.filter((owner) => owner.controller === true && owner.kind === 'Job');
      return jobs.map(({ name }) => [jobResource.plural, name]);
    }
    default:
      return [];
  }
}

function unsubscribed(
  object: KubeObject,
  path: readonly string[],
  roles: readonly string[] | undefined,
): FieldError[] {
  const role = valueAt(object, [...path, 'role']);
  if (roles === undefined || typeof role !== 'string' || roles.includes(role)) return [];
  return [
    {
      field: [...path, 'role'].join('.'),
      message: `no offers are taken for the role ${JSON.stringify(role)}: an operator adds it to mesos.roles of cosmd, which has ${roles.join(', ')}`,
      reason: 'FieldValueForbidden',
    },
  ];
}
