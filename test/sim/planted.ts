// Which planted bug each checker must see, and the times that bring it out. Used by the tests of the checkers.
import type { Bug } from "./mutants.ts";
import type { RunOptions } from "./run.ts";

export interface Planted {
  readonly invariant: string;
  /** What the verdict must say; null: the invariant alone. */
  readonly says: RegExp | null;
  readonly seed: number;
  readonly options: RunOptions;
}

/** A bug that keeps a site from settling need not be waited for long: until a metered node has told its verdicts (300 s). */
const SETTLE_MS = 320_000;
const calm = { faults: [], epilogue: null, settleMs: SETTLE_MS } as const;
const short = { kinds: ["steady"], policies: ["keep"], roughMs: 20_000, plainUpdates: true } as const;

/** Operators roll out, stop and start. */
const steered = { kinds: ["steady"], policies: ["keep"], roughMs: 120_000 } as const;

/** Budgets of every service. */
const inPercent = { ...steered, budget: { maxUnavailable: { kind: "percent", percent: 34 }, per: null } } as const;
const byLabel = { ...steered, budget: { maxUnavailable: { kind: "count", count: 1 }, per: "site" } } as const;

/** Windows and holds in every file; what waits for a window is waited for. */
const timed = { ...steered, timed: true } as const;
const patient = { faults: [], epilogue: null } as const;

/** Clocks jump, and nothing ends by itself: how long a container ran is only known from the engine's own wall-clock stamps. */
export const CLOCK_FAULTS = [
  "node clock jump",
  "hub clock jump",
  "agent killed",
  "hub killed",
  "link cut",
  "link reset",
];

/** What was known is lost, and containers end while nothing is wanted yet. */
const LOST_LEDGERS = ["ledger damaged", "ledger damaged", "container killed", "container stopped", "hub killed"];

/** Seeds were searched for: any that fires is as good as another. */
export const PLANTED: Readonly<Record<Bug, Planted>> = {
  "hub acknowledges without storing": {
    ...{ invariant: "I1", says: null, seed: 4 },
    options: { ...calm, wishes: { ...short, roughMs: 60_000 } },
  },
  "hub hands out a position twice": {
    ...{ invariant: "I3", says: null, seed: 1 },
    options: { faults: ["hub killed"], epilogue: null, wishes: { ...short, roughMs: 60_000 } },
  },
  "node goes back to its first assignment": {
    ...{ invariant: "I4", says: null, seed: 4 },
    options: { ...calm, wishes: { ...short, roughMs: 60_000 } },
  },
  "node accepts what was never given": { invariant: "I5", says: null, seed: 1, options: { ...calm, wishes: short } },
  "old database opens a new epoch": {
    ...{ invariant: "I6", says: null, seed: 4 },
    options: { faults: [], epilogue: "oldDatabase", wishes: { ...short, roughMs: 60_000 } },
  },
  "agent stops everything at its start": {
    ...{ invariant: "I8", says: null, seed: 1 },
    options: { faults: ["agent killed"], epilogue: null, wishes: short },
  },
  "agent forgets its assignment at a boot": {
    ...{ invariant: "I9", says: null, seed: 1 },
    options: { faults: [], epilogue: "offlineReboot", wishes: short },
  },
  "agent believes that it started": { invariant: "I10", says: null, seed: 1, options: { ...calm, wishes: short } },
  "agent is never at rest": { invariant: "I11", says: null, seed: 1, options: { ...calm, wishes: short } },
  "agent lives by events alone": {
    ...{ invariant: "I10", says: /is exited|has no container/, seed: 8 },
    options: {
      faults: ["engine events lost", "container killed", "container killed"],
      epilogue: null,
      wishes: { ...short, roughMs: 60_000 },
    },
  },
  "agent leaves copies behind": {
    invariant: "I13",
    says: /orphan|containers/,
    seed: 1,
    options: { ...calm, wishes: short },
  },
  "agent removes a stranger's container": {
    invariant: "I14",
    says: /decoy/,
    seed: 1,
    options: { ...calm, wishes: short },
  },
  "agent removes volumes": {
    ...{ invariant: "I15", says: null, seed: 10 },
    options: { ...calm, wishes: { ...short, roughMs: 60_000 } },
  },
  "hub's clock runs fast": {
    ...{ invariant: "I16", says: null, seed: 1 },
    options: {
      faults: ["link cut"],
      epilogue: null,
      settleMs: SETTLE_MS,
      wishes: { ...short, policies: ["fence"], roughMs: 60_000 },
    },
  },
  "hub moves what says keep": {
    ...{ invariant: "I18", says: null, seed: 1 },
    options: { faults: ["link cut"], epilogue: null, wishes: { ...short, roughMs: 120_000 } },
  },
  "hub sends old assignments": {
    invariant: "I21",
    says: null,
    seed: 2,
    options: { ...calm, wishes: { ...short, roughMs: 60_000 } },
  },
  "hub drops events": { invariant: "I22", says: null, seed: 1, options: { ...calm, wishes: short } },
  "agent shows the dead as running": {
    ...{ invariant: "I23", says: /is shown as running/, seed: 1 },
    options: { ...calm, wishes: { ...short, kinds: ["crashy"], roughMs: 400_000 } },
  },
  "agent lives by the wall clock": {
    ...{ invariant: "I24", says: null, seed: 10 },
    options: { faults: CLOCK_FAULTS, epilogue: null, wishes: { ...short, roughMs: 60_000 } },
  },
  "agent starts whatever stands still": {
    ...{ invariant: "I40", says: null, seed: 1 },
    options: { ...calm, wishes: steered },
  },
  "hub reads no budgets": { invariant: "I19", says: null, seed: 11, options: { ...calm, wishes: steered } },
  "hub reads no budgets in percent": {
    ...{ invariant: "I19", says: /the budget is 2/, seed: 11 },
    options: { ...calm, wishes: inPercent },
  },
  "hub reads no budgets by label": {
    ...{ invariant: "I19", says: /in site/, seed: 13 },
    options: { ...calm, wishes: byLabel },
  },
  "hub tries again what failed": { invariant: "I42", says: null, seed: 48, options: { ...calm, wishes: steered } },
  "agent heeds no window": { invariant: "I44", says: null, seed: 4, options: { ...patient, wishes: timed } },
  "agent believes every probe": { invariant: "I45", says: null, seed: 4, options: { ...calm, wishes: steered } },
  "agent starts nothing a second time": {
    invariant: "I20",
    says: null,
    seed: 102,
    options: { ...calm, wishes: steered },
  },
  "hub lets a hold last for ever": { invariant: "I46", says: null, seed: 3, options: { ...patient, wishes: timed } },
  "hub forgets a drain's deadline": {
    ...{ invariant: "I43", says: /drain is over/, seed: 6 },
    options: { ...calm, wishes: steered },
  },
  "node hears of no stop": {
    ...{ invariant: "I40", says: /an operator stopped it/, seed: 2 },
    options: { ...calm, wishes: steered },
  },
  "agent forgets what failed": { invariant: "I41", says: null, seed: 12, options: { ...calm, wishes: steered } },
  "agent tries again what a lost ledger held": {
    ...{ invariant: "I47", says: null, seed: 82 },
    options: {
      faults: LOST_LEDGERS,
      epilogue: null,

      wishes: { kinds: ["steady"], roughMs: 300_000 },
    },
  },
  "agent takes an unknown node for an order": {
    ...{ invariant: "I33", says: null, seed: 1 },
    options: { faults: [], epilogue: "emptyDatabase", wishes: short },
  },
};
