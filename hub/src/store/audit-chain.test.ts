// The chain of the audit log: whatever is done to entries afterwards shows, and at the first that does not fit.
import { expect, test } from "vitest";
import { audit } from "../../../test/contract/store.ts";
import { type AuditEntry, type AuditLink, CHAIN_START, chained, follow } from "./audit-chain.ts";

function chain(length: number): AuditEntry[] {
  const entries: AuditEntry[] = [];
  for (let index = 0; index < length; index += 1)
    entries.push(chained(audit({ after: `revision ${index}` }), index, entries.at(-1) ?? CHAIN_START));
  return entries;
}

/** Says of the first that does not fit; null: all do. */
function fault(entries: readonly unknown[], start: AuditLink | null = CHAIN_START): string | null {
  let link = start;
  for (const entry of entries) {
    // As a file has it.
    const next = follow(link, JSON.parse(JSON.stringify(entry)));
    if (!next.ok) return next.error;
    link = next.value;
  }
  return null;
}

const five = chain(5);
const changed = (fields: object) => five.map((entry) => (entry.number === 3 ? { ...entry, ...fields } : entry));
const [, , third] = five;
if (third === undefined) throw new Error("five are five");
const remade = chained(audit({ actor: "mia" }), third.atMs, { number: 2, hash: third.previous });

test("[S33] an unharmed chain holds, whole or from any entry on", () => {
  expect(fault(five)).toBeNull();
  expect(fault(five.slice(2), null)).toBeNull();
  expect(fault(five.slice(2), { number: 2, hash: third.previous })).toBeNull();
});

test.each([
  ["another actor", changed({ actor: "mia" }), "entry 3 was changed"],
  ["a field more", changed({ colour: "red" }), "entry 3 was changed"],
  ["a field less", changed({ code: null, count: undefined }), "entry 3 was changed"],
  ["another hash", changed({ hash: "0".repeat(64) }), "entry 3 was changed"],
  ["made anew with its hash", changed(remade), "entry 4 does not fit the one before it"],
  ["one left out", five.toSpliced(2, 1), "entry 4 does not follow entry 2"],
  ["the first left out", five.slice(1), "entry 2 does not follow entry 0"],
  ["two swapped", [five[0], five[2], five[1], five[3]], "entry 3 does not follow entry 1"],
  ["one twice", [five[0], five[0]], "entry 1 does not follow entry 1"],
  ["no entry", [five[0], { hello: 1 }], "not an entry"],
])("[S33] what was done to a chain shows: %s", (_what, entries, says) => {
  expect(fault(entries)).toContain(says);
});

test("[S33] a first entry that was made anew does not pass for the beginning", () => {
  const other = chained(audit(), 0, { number: 0, hash: "1".repeat(64) });
  expect(fault([other], null)).toContain("entry 1 does not fit");
});
