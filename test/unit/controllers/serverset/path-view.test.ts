import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { seededRandom } from '../../../../api/machinery/random.ts';
import { PathView } from '../../../../controllers/serverset/path-view.ts';
import { SimulatedClient } from '../../../simulation/zookeeper/client.ts';
import { Ensemble } from '../../../simulation/zookeeper/ensemble.ts';

const path = '/web';
const body = (task: string): string =>
  JSON.stringify({
    status: 'ALIVE',
    metadata: { 'mesocosm.dev/cluster': 'east', 'mesocosm.dev/task': task },
  });

let ours: SimulatedClient;
let others: SimulatedClient;
let view: PathView;

beforeEach(async () => {
  const ensemble = new Ensemble({ clock: systemClock(), random: seededRandom(1), replicas: 1 });
  ours = new SimulatedClient({ ensemble });
  others = new SimulatedClient({ ensemble });
  await Promise.all([ours.whenConnected(), others.whenConnected()]);
  await others.create(path, Buffer.alloc(0));
  view = new PathView({ zookeeper: ours, clusterName: 'east', path, onChange: () => undefined });
  await view.refresh();
});
afterEach(async () => {
  await Promise.all([ours.close(), others.close()]);
});

/** A member that we create; answers its name. */
async function create(task: string): Promise<string> {
  let name = '';
  const data = Buffer.from(body(task));
  await view.write(
    { creates: true },
    () => ours.create(`${path}/member_`, data, { sequential: true }),
    (created) => {
      name = created.slice(path.length + 1);
      view.wrote(name, 0, body(task));
    },
  );
  return name;
}

const refreshed = async (): Promise<void> => {
  // What was committed before this is seen after it, watches included.
  await ours.sync(path);
  await view.refresh();
};

test('a member is ours though it was edited before we ever read it, and the edit is told', async () => {
  const name = await create('t1');
  await others.setData(`${path}/${name}`, Buffer.from('{"status":"DEAD"}'));
  await refreshed();
  expect(view.nodes()).toMatchObject([{ name, version: 1, ours: { taskUid: 't1' } }]);
  expect(view.drift).toEqual([{ path: `${path}/${name}`, change: 'Edited' }]);
});

test('a node under the name of a member that went is not ours', async () => {
  const name = await create('t1');
  await refreshed();
  await others.delete(`${path}/${name}`);
  await others.create(`${path}/${name}`, Buffer.from('{"status":"ALIVE"}'));
  await refreshed();
  expect(view.nodes()).toMatchObject([{ name, ours: undefined }]);
});

test('what we write is no change by others, and what they do is told until it is mended', async () => {
  const [first, second] = [await create('t1'), await create('t2')];
  await refreshed();
  expect(view.drift).toEqual([]);
  await others.delete(`${path}/${first}`);
  await view.write(
    { name: second },
    () => ours.delete(`${path}/${second}`),
    () => view.removed(second),
  );
  const copy = await others.create(`${path}/member_`, Buffer.from(body('t3')), {
    sequential: true,
  });
  await refreshed();
  const told = [
    { path: `${path}/${first}`, change: 'Deleted' },
    { path: copy, change: 'Added' },
  ];
  expect(view.drift).toEqual(told);
  view.mended(view.drift);
  expect(view.drift).toEqual([]);
});

test('a write that is under way is ours, whether or not its answer has come', async () => {
  const name = await create('t1');
  await refreshed();
  let sent = (): void => undefined;
  const isSent = new Promise<void>((resolve) => (sent = resolve));
  let answer = (): void => undefined;
  const answered = new Promise<void>((resolve) => (answer = resolve));
  const writing = view.write(
    { name },
    async () => {
      await ours.delete(`${path}/${name}`);
      sent();
      await answered;
    },
    () => view.removed(name),
  );
  await isSent;
  await refreshed();
  expect(view.nodes()).toEqual([]);
  answer();
  await writing;
  await refreshed();
  expect(view.drift).toEqual([]);
});
