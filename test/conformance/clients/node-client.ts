import {
  ApiException,
  ApisApi,
  AuthenticationV1Api,
  AuthorizationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  V1ObjectMeta,
  V1ResourceAttributes,
  V1Secret,
  V1SelfSubjectAccessReview,
  V1SelfSubjectAccessReviewSpec,
  V1SelfSubjectReview,
  VersionApi,
  Watch,
} from '@kubernetes/client-node';
import { z } from 'zod';
import { objectSchema, Refused, type Client, type Seen } from './client.ts';

const where = { group: 'mesocosm.dev', version: 'v1', namespace: 'default', plural: 'jobs' };
const pageSchema = z.object({
  items: z.array(objectSchema),
  metadata: z.object({ continue: z.string().optional() }),
});

/**
 * Kubernetes' own client for Node. Not by its KubernetesObjectApi: that takes every kind `Job` of a version
 * v1 for batch/v1's and leaves out the fields which that does not have.
 */
export function nodeClient(kubeconfig: string): Client {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const jobs = config.makeApiClient(CustomObjectsApi);
  const core = config.makeApiClient(CoreV1Api);
  const patchWith = (type: string) => setHeaderOptions('Content-Type', type);
  const patched =
    (type: string) =>
    async (name: string, body: object): Promise<void> => {
      await told(jobs.patchNamespacedCustomObject({ ...where, name, body }, patchWith(type)));
    };
  return {
    serverVersion: async () => (await told(config.makeApiClient(VersionApi).getCode())).gitVersion,
    resources: async () => {
      const list = await told(jobs.getAPIResources({ group: where.group, version: where.version }));
      const { groups } = await told(config.makeApiClient(ApisApi).getAPIVersions());
      return [...list.resources.map(({ name }) => name), ...groups.map(({ name }) => name)];
    },
    create: async (body) => tell(jobs.createNamespacedCustomObject({ ...where, body })),
    get: async (name) =>
      objectSchema.parse(await told(jobs.getNamespacedCustomObject({ ...where, name }))),
    list: async ({ labels, pageSize }) => {
      const names: string[] = [];
      for (let token: string | undefined; token !== '';) {
        const query = {
          ...(labels === undefined ? {} : { labelSelector: labels }),
          ...(pageSize === undefined ? {} : { limit: pageSize }),
          ...(token === undefined ? {} : { _continue: token }),
        };
        const page = pageSchema.parse(
          await told(jobs.listNamespacedCustomObject({ ...where, ...query })),
        );
        names.push(...page.items.map(({ metadata }) => metadata.name));
        token = page.metadata.continue ?? '';
      }
      return names;
    },
    replace: async (body) =>
      tell(jobs.replaceNamespacedCustomObject({ ...where, name: body.metadata.name, body })),
    mergePatch: patched(PatchStrategy.MergePatch),
    jsonPatch: patched(PatchStrategy.JsonPatch),
    strategicPatch: async (name, body) =>
      told(
        core.patchNamespacedConfigMap(
          { name, namespace: 'default', body },
          patchWith(PatchStrategy.StrategicMergePatch),
        ),
      ),
    apply: (body, force = false) =>
      tell(
        jobs.patchNamespacedCustomObject(
          { ...where, name: body.metadata.name, body, fieldManager: 'matrix', force },
          patchWith(PatchStrategy.ServerSideApply),
        ),
      ),
    dryRun: (body) => tell(jobs.createNamespacedCustomObject({ ...where, body, dryRun: 'All' })),
    scale: async (name, replicas) =>
      tell(
        jobs.patchNamespacedCustomObjectScale(
          { ...where, name, body: { spec: { replicas } } },
          patchWith(PatchStrategy.MergePatch),
        ),
      ),
    remove: async (name) => tell(jobs.deleteNamespacedCustomObject({ ...where, name })),
    removeAll: async (labels) =>
      tell(jobs.deleteCollectionNamespacedCustomObject({ ...where, labelSelector: labels })),
    watch: async () => {
      const seen: Seen[] = [];
      let wake = (): void => undefined;
      const controller = await new Watch(config).watch(
        '/apis/mesocosm.dev/v1/namespaces/default/jobs',
        {},
        (type: string, object: unknown) => {
          seen.push({ type, name: objectSchema.parse(object).metadata.name });
          wake();
        },
        () => wake(),
      );
      const next = async (): Promise<Seen> => {
        for (;;) {
          const first = seen.shift();
          if (first !== undefined) return first;
          await new Promise<void>((resolve) => (wake = resolve));
        }
      };
      const stop = (): Promise<void> => {
        controller.abort();
        return Promise.resolve();
      };
      return { next, stop };
    },
    whoAmI: async () => {
      const body = new V1SelfSubjectReview();
      const api = config.makeApiClient(AuthenticationV1Api);
      const { status } = await told(api.createSelfSubjectReview({ body }));
      return status?.userInfo?.username ?? '';
    },
    mayI: async (verb, resource) => {
      const { group, namespace } = where;
      const attributes = { verb, resource, group, namespace };
      const resourceAttributes = Object.assign(new V1ResourceAttributes(), attributes);
      const spec = Object.assign(new V1SelfSubjectAccessReviewSpec(), { resourceAttributes });
      const body = Object.assign(new V1SelfSubjectAccessReview(), { spec });
      const api = config.makeApiClient(AuthorizationV1Api);
      const { status } = await told(api.createSelfSubjectAccessReview({ body }));
      return status?.allowed === true;
    },
    createSecret: (name, stringData) => {
      const metadata = Object.assign(new V1ObjectMeta(), { name });
      const body = Object.assign(new V1Secret(), { metadata, stringData });
      return told(core.createNamespacedSecret({ namespace: 'default', body }));
    },
    close: () => Promise.resolve(),
  };
}

/** Custom objects come as `any`, so nothing is known of them. */
const tell = (answer: Promise<unknown>): Promise<unknown> => told(answer);

async function told<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiException) {
      throw new Refused(`${error.message} ${JSON.stringify(error.body)}`);
    }
    throw error;
  }
}
