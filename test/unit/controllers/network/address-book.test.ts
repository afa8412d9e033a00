import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AddressBook } from '../../../../controllers/network/address-book.ts';

const holders = ['a', 'b', 'c', 'd'];
const addresses = ['1', '2', '3'];

it('a book knows who has what, and who shares it, after any changes', () => {
  const change = fc.record({
    holder: fc.constantFrom(...holders),
    has: fc.array(fc.constantFrom(...addresses)),
  });
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const book = new AddressBook();
      const known = new Map<string, Set<string>>();
      for (const { holder, has } of changes) {
        const before = known.get(holder) ?? new Set<string>();
        const after = new Set(has);
        const moved = addresses.filter((address) => before.has(address) !== after.has(address));
        expect([...book.set(holder, has)].sort()).toEqual(moved);
        known.set(holder, after);
      }
      for (const address of addresses) {
        const having = holders.filter((holder) => known.get(holder)?.has(address));
        expect([...book.holdersOf(address)].sort()).toEqual(having);
        expect(book.shared.has(address)).toBe(having.length > 1);
      }
      for (const holder of holders) {
        expect(new Set(book.addressesOf(holder))).toEqual(known.get(holder) ?? new Set());
      }
    }),
  );
});
