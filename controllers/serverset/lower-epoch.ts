import type { Client } from '../../api/client/client.ts';
import { frameworkAnnotations, frameworkResource } from '../../api/v1/framework.ts';

/**
 * Whether an operator has decided that exactly this epoch of ZooKeeper, greater than ours, is no
 * leader's any more, as after etcd was restored. The decision is used up by the answer, before anything
 * follows from it: should two control planes fight over the node, an operator has to decide each time.
 */
export async function mayLowerEpoch(
  client: Client,
  framework: string,
  epoch: number,
): Promise<boolean> {
  const frameworks = client.of(frameworkResource);
  const found = await frameworks.find({ name: framework });
  const { takeEpoch } = frameworkAnnotations;
  const annotations = found?.metadata.annotations ?? {};
  if (found === undefined || annotations[takeEpoch] !== String(epoch)) return false;
  const kept = Object.entries(annotations).filter(([name]) => name !== takeEpoch);
  const metadata = { ...found.metadata, annotations: Object.fromEntries(kept) };
  await frameworks.update({ ...found, metadata });
  return true;
}
