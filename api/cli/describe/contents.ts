import type { Volume } from '../../v1/contents.ts';
import type { Container, TemplateSpec } from '../../v1/template.ts';
import { indent } from './text.ts';

/** What comes from Secrets and ConfigMaps, and from which: never a value, which is often a secret. */

type Variable = NonNullable<Container['env']>[number];
type Source = NonNullable<Container['envFrom']>[number];

/** Variables by name, in kubectl's words for where they come from. */
export function environmentLines({ env = [], envFrom = [] }: Container): string[] | undefined {
  if (env.length + envFrom.length === 0) return undefined;
  return [...envFrom.map(sourceText), ...env.map(variableText)];
}

function sourceText({ prefix, secretRef, configMapRef }: Source): string {
  const from = secretRef === undefined ? 'ConfigMap' : 'Secret';
  const { name = '', optional } = secretRef ?? configMapRef ?? {};
  const named = prefix === undefined ? '' : ` with prefix '${prefix}'`;
  return `all of ${from} ${name}${named}${mark(optional)}`;
}

function variableText({ name, valueFrom }: Variable): string {
  const { secretKeyRef, configMapKeyRef } = valueFrom ?? {};
  const reference = secretKeyRef ?? configMapKeyRef;
  if (reference === undefined) return name;
  const kind = secretKeyRef === undefined ? 'config map' : 'secret';
  const { key, optional } = reference;
  return `${name}: <set to the key '${key}' of ${kind} '${reference.name}'>${mark(optional)}`;
}

export function mountsText({ volumeMounts }: Container): string[] | undefined {
  return volumeMounts?.map(({ name, mountPath }) => `${mountPath} from ${name} (ro)`);
}

export function volumeLines(volumes: TemplateSpec['volumes']): string[] {
  return (volumes ?? []).flatMap((volume) => [
    `${volume.name}: ${volumeText(volume)}`,
    ...indent(itemsOf(volume)),
  ]);
}

function volumeText({ secret, configMap }: Volume): string {
  return secret === undefined
    ? `ConfigMap ${configMap?.name ?? ''}${mark(configMap?.optional)}`
    : `Secret ${secret.secretName}${mark(secret.optional)}`;
}

function itemsOf({ secret, configMap }: Volume): string[] {
  const items = secret?.items ?? configMap?.items ?? [];
  return items.map(({ key, path }) => `${key} as ${path}`);
}

function mark(optional: boolean | undefined): string {
  return optional === true ? ' (optional)' : '';
}
