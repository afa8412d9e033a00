import { describe, expect, it } from 'vitest';
import { place } from '../../../../controllers/scheduler/placement.ts';
import { cniNameOf, hosts, launchOf, offer, waiting } from './offers.ts';

const offers = [offer('x', { role: 'mesocosm' }), offer('y', { role: 'analytics' })];

describe('the role of a Task', () => {
  it('decides whose resources it takes', () => {
    const tasks = [waiting('a', { role: 'analytics' }), waiting('b', { role: 'analytics' })];
    const { placements } = place({ tasks, offers, placed: [], cniNameOf });
    expect(hosts(placements)).toEqual(['y', 'y']);
  });

  it('that nothing is offered to is told', () => {
    const tasks = [waiting('a', { role: 'other' })];
    const { unplaced } = place({ tasks, offers, placed: [], cniNameOf });
    expect(unplaced[0]?.message).toBe('0 of 2 offered agents fit: 2 not offered to role other');
  });

  it('may be any if it names none', () => {
    const tasks = [waiting('a'), waiting('b')];
    const { placements } = place({ tasks, offers, placed: [], cniNameOf });
    expect(hosts(placements).sort()).toEqual(['x', 'y']);
  });
});

describe('the user of a Task', () => {
  const container = (name: string) => ({
    name,
    script: 'x',
    resources: { requests: { cpu: '100m', memory: '32Mi' } },
  });

  it.each([
    ['one container', [container('a')]],
    ['several containers', [container('a'), container('b')]],
  ])('is whom Mesos runs %s as', (_what, containers) => {
    for (const user of ['www', undefined]) {
      const task = waiting('t', { containers, ...(user === undefined ? {} : { user }) });
      const [placement] = place({ tasks: [task], offers, placed: [], cniNameOf }).placements;
      if (placement === undefined) throw new Error('not placed');
      const operation = launchOf(placement);
      const infos = operation.launch?.task_infos ?? operation.launch_group?.task_group.tasks ?? [];
      expect(infos.map(({ command }) => command?.user)).toEqual(containers.map(() => user));
    }
  });
});
