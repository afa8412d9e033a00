import { expect, it } from 'vitest';
import { Unreported } from '../../../../controllers/serverset/unreported.ts';

const time = '2026-01-01T00:00:00Z';
const edited = { path: '/web/member_0000000001', change: 'Edited' as const };

it('counts what others did once, though the answer to the write of the status is lost', () => {
  const unreported = new Unreported();
  unreported.mended('prod/web', [edited], time);
  const first = unreported.drift('prod/web', undefined);
  expect(first?.mended).toBe(1);
  // It was not stored after all.
  expect(unreported.drift('prod/web', undefined)?.mended).toBe(1);
  // It was.
  expect(unreported.drift('prod/web', first)).toEqual(first);
  unreported.mended('prod/web', [edited, edited], time);
  const second = unreported.drift('prod/web', first);
  expect(second?.mended).toBe(3);
  expect(unreported.drift('prod/web', second)).toEqual(second);
  unreported.forget('prod/web');
  expect(unreported.drift('prod/web', second)).toEqual(second);
});
