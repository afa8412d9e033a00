import { expect, it } from 'vitest';
import { parseIncludeObject } from '../../../../api/server/table.ts';
import { negotiate } from '../../../../api/server/negotiation.ts';
import { itemOf } from '../../../../api/server/registry/item.ts';
import { listAnswer } from '../../../../api/server/represent.ts';
import { erased } from '../../../../api/server/registry/erase.ts';
import { jobResource } from '../../../../api/v1/job.ts';

const jobs = ['plain', 'with "quotes" and ü'].map((note, index) =>
  itemOf(
    `/mesocosm.dev/jobs/default/web-${index}`,
    {
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Job',
      metadata: {
        name: `web-${index}`,
        namespace: 'default',
        uid: `u${index}`,
        resourceVersion: String(index + 1),
        creationTimestamp: '2026-01-01T00:00:00Z',
        annotations: { note },
      },
      spec: { replicas: 2, template: { spec: { containers: [] } } },
    } as never,
    index + 1,
  ),
);

const table = (version: string) => `application/json;as=Table;v=${version};g=meta.k8s.io`;

it.each([
  ['application/json', ''],
  [table('v1'), 'Metadata'],
  [table('v1'), 'Object'],
  [table('v1'), 'None'],
  [table('v1beta1'), 'Metadata'],
  ['application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io', ''],
  ['application/json;as=PartialObjectMetadataList;v=v1beta1;g=meta.k8s.io', ''],
])(
  'a list as %s %s has the same members in text, however often it is asked for',
  (accept, include) => {
    const view = {
      resource: erased(jobResource),
      representation: negotiate(accept),
      include: parseIncludeObject(include),
      now: Date.UTC(2026, 0, 2),
    };
    for (let round = 0; round < 2; round += 1) {
      const { members, texts } = listAnswer(view, { items: jobs, revision: 9 } as never);
      const told = [...texts()].map((text): unknown => JSON.parse(Buffer.from(text).toString()));
      expect(told).toEqual(JSON.parse(JSON.stringify([...members()])));
      expect(told).toHaveLength(2);
    }
  },
);
