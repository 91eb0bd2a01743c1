// A checker counts only if it has been seen to fire: for each, a bug is planted and must be found; without the bug nothing is.
import { describe, expect, test } from "vitest";
import { dependsOnClocks } from "./checkers/clocks.ts";
import type { Bug } from "./mutants.ts";
import { PLANTED, type Planted } from "./planted.ts";
import { runSeed } from "./run.ts";

const found = async ({ invariant, seed, options }: Planted, bug: Bug | null) =>
  invariant === "I24"
    ? await dependsOnClocks(seed, { ...options, bug })
    : (await runSeed(seed, { ...options, bug })).violations;

const SEEN: Readonly<Record<Bug, string>> = {
  "hub acknowledges without storing": "[I1] an acknowledged revision that is not stored is seen",
  "hub hands out a position twice": "[I3] a hub whose numbers go back is seen",
  "node goes back to its first assignment": "[I4] a node that goes back is seen",
  "node accepts what was never given": "[I5] an assignment that no hub gave is seen",
  "old database opens a new epoch": "[I6] a downgrade by a restored hub is seen",
  "agent stops everything at its start": "[I8] a needless stop is seen",
  "agent forgets its assignment at a boot": "[I9] a node that needs the hub to start is seen",
  "agent believes that it started": "[I10] a node that never comes to what is wanted is seen",
  "agent is never at rest": "[I11] a node that is never at rest is seen",
  "agent lives by events alone": "[I12] a node that needs every event is seen",
  "agent leaves copies behind": "[I13] a copy left behind is seen",
  "agent removes a stranger's container": "[I14] a call on a stranger's container is seen",
  "agent removes volumes": "[I15] a removed volume is seen",
  "hub's clock runs fast": "[I16] two copies at once are seen",
  "hub moves what says keep": "[I18] a move for silence is seen",
  "hub sends old assignments": "[I21] an old assignment on the wire is seen",
  "hub drops events": "[I22] a lost event is seen",
  "agent shows the dead as running": "[I23] a false green is seen",
  "agent lives by the wall clock": "[I24] a decision by the wall clock is seen",
  "agent starts whatever stands still": "[I40] a start of what is to stand stopped is seen",
  "hub reads no budgets": "[I19] too many down at once are seen",
  "hub reads no budgets in percent": "[I19] too many down at once for a budget in percent are seen",
  "hub reads no budgets by label": "[I19] too many down at once at one site are seen",
  "hub tries again what failed": "[I42] another try of what failed is seen",
  "agent heeds no window": "[I44] a change outside its window is seen",
  "agent believes every probe": "[I45] a gate that passes what never served is seen",
  "agent starts nothing a second time": "[I20] a last good one that does not come back is seen",
  "hub lets a hold last for ever": "[I46] a hold without an end is seen",
  "hub forgets a drain's deadline": "[I43] a drain that never ends is seen",
  "node hears of no stop": "[I40] what runs though an operator stopped it is seen",
  "agent forgets what failed": "[I41] another try on a node where it failed is seen",
  "agent tries again what a lost ledger held": "[I47] a failure of what had passed is seen",
  "agent takes an unknown node for an order": "[I33] a removal for something that is missing is seen",
};

describe("planted bugs", () => {
  // The keys of the table are its type's members.
  for (const [bug, planted] of Object.entries(PLANTED) as [Bug, Planted][]) {
    test(SEEN[bug], async () => {
      const hits = (await found(planted, bug)).filter(
        ({ invariant, message }) => invariant === planted.invariant && (planted.says?.test(message) ?? true),
      );
      expect(hits).not.toEqual([]);
      expect(await found(planted, null)).toEqual([]);
    });
  }
});
