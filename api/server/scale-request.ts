import type { Clock } from '../machinery/clock.ts';
import type { Resource, ScalePaths, Verb } from '../machinery/resource.ts';
import { applyRequest } from './apply-request.ts';
import { methodNotAllowed, notFound } from './errors.ts';
import { bodyFormat, negotiate, patchFormat } from './negotiation.ts';
import { patchedDocument } from './patch.ts';
import { parseForce } from './query.ts';
import type { WriteContext } from './registry/context.ts';
import { itemOf, type Item } from './registry/item.ts';
import type { Lister } from './registry/lister.ts';
import type { Registry } from './registry/registry.ts';
import {
  checkScaleFields,
  scaleConfiguration,
  scaleOf,
  scaleResource,
  withScale,
} from './registry/scale.ts';
import { itemAnswer, type View } from './represent.ts';
import type { Answer, AuthenticatedRequest } from './request.ts';
import type { ResourceRequestInfo } from './request-info.ts';
import { parseIncludeObject } from './table.ts';
import { bodyOf, refOf, writeContext } from './write-request.ts';

export interface ScaledKind {
  resource: Resource;
  registry: Registry;
  lister: Lister;
  clock: Clock;
}

/** Reads and writes the scale subresource of a kind that has one. */
export async function answerScale(
  kind: ScaledKind,
  verb: Verb,
  info: ResourceRequestInfo,
  request: AuthenticatedRequest,
): Promise<Answer> {
  const { resource, lister, clock } = kind;
  const paths = resource.subresources.scale;
  if (paths === undefined) throw notFound(resource, info.name ?? '');
  const representation = negotiate(request.accept);
  const view: View = {
    resource: scaleResource,
    representation,
    include: parseIncludeObject(request.query.get('includeObject') ?? undefined),
    now: clock.now(),
  };
  const answer = (item: Item, warnings: readonly string[] = []): Answer => {
    const scale = scaleOf(item.object, paths);
    const shown = itemOf(item.key, scale, item.modRevision);
    return itemAnswer(view, shown, 200, warnings);
  };
  if (verb === 'get') return answer(await lister.get(refOf(info), undefined));
  if (verb !== 'update' && verb !== 'patch') throw methodNotAllowed(resource, verb);
  const { context, warnings } = writeContext(
    request,
    verb === 'patch' ? 'PatchOptions' : 'UpdateOptions',
  );
  return answer(await write(kind, paths, verb, { info, request, context }), warnings);
}

interface ScaleWrite {
  info: ResourceRequestInfo;
  request: AuthenticatedRequest;
  context: WriteContext;
}

async function write(
  { resource, registry }: ScaledKind,
  paths: ScalePaths,
  verb: 'update' | 'patch',
  { info, request, context }: ScaleWrite,
): Promise<Item> {
  const ref = refOf(info);
  const format = verb === 'patch' ? patchFormat(request.contentType, false) : undefined;
  if (format === 'apply') {
    const { config, force } = applyRequest(request, scaleResource);
    checkScaleFields(config, context);
    const replicas = scaleConfiguration(resource, paths, config);
    const options = { subresource: 'scale', force } as const;
    const { item } = await registry.apply(ref, replicas, options, context);
    return item;
  }
  parseForce(request.query, false);
  const body = bodyOf(
    request,
    format === undefined ? bodyFormat(request.contentType) : 'json',
    scaleResource,
  );
  return registry.update(
    ref,
    (stored) => {
      const scale = scaleOf(stored, paths);
      const next = format === undefined ? body : patchedDocument(format, { ...scale }, body, {});
      checkScaleFields(next, context);
      return withScale(resource, paths, stored, next);
    },
    { verb: 'patch', subresource: 'scale' },
    context,
  );
}
