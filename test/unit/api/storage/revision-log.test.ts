import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RevisionLog } from '../../../../api/storage/revision-log.ts';
import { StorageError } from '../../../../api/storage/storage.ts';

interface Event {
  modRevision: number;
  index: number;
}

describe('RevisionLog', () => {
  it('reads whole revisions after any point, or says that some are gone', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ append: fc.integer({ min: 1, max: 4 }) }) },
      { weight: 1, arbitrary: fc.constant({ dropOldest: true }) },
      { weight: 1, arbitrary: fc.record({ dropTo: fc.nat({ max: 60 }) }) },
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.nat({ max: 60 }),
        fc.integer({ min: 1, max: 9 }),
        (steps, after, limit) => {
          const log = new RevisionLog<Event>(0);
          let model: Event[] = [];
          let revision = 0;
          let floor = 0;
          for (const step of steps) {
            if ('append' in step) {
              revision += 1;
              for (let index = 0; index < step.append; index += 1) {
                log.append({ modRevision: revision, index });
                model.push({ modRevision: revision, index });
              }
            } else {
              const to = 'dropTo' in step ? step.dropTo : model[0]?.modRevision;
              if (to === undefined || to > revision) continue;
              const dropped = 'dropTo' in step ? log.dropThrough(to) : log.dropOldest();
              expect(dropped).toEqual(model.filter((event) => event.modRevision <= to));
              model = model.filter((event) => event.modRevision > to);
              floor = Math.max(floor, to);
            }
          }
          expect(log.floor).toBe(floor);
          expect(log.size).toBe(model.length);
          expect(log.newestBut(after)).toEqual(model.at(-1 - after));
          if (after < floor) {
            expect(() => log.read(after, limit)).toThrow(StorageError);
            return;
          }
          const wanted = model.filter((event) => event.modRevision > after);
          const read = log.read(after, limit);
          expect(read).toEqual(wanted.slice(0, read.length));
          expect(read.length).toBeGreaterThanOrEqual(Math.min(limit, wanted.length));
          expect(wanted[read.length]?.modRevision).not.toBe(read.at(-1)?.modRevision ?? -1);
          expect(read.length).toBeLessThan(limit + 4);
        },
      ),
    );
  });
});
