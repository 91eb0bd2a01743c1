// One seed, from an empty site to the verdict: rough times, everything heals, the site settles and rests, then an epilogue, then the
// checkers. The same seed and options give the same run, to the last line of the trace.

import { QUICK_BOOTS_TO_SAFE_MODE } from "@skerry/agent/core/safe-mode.ts";
import { findFalseGreen } from "./checkers/green.ts";
import * as checks from "./checkers/history.ts";
import { managed, siteGaps, UNDER_WAY_MS } from "./checkers/settled.ts";
import * as updates from "./checkers/updates.ts";
import { verdictsStand } from "./checkers/verdicts.ts";
import { type ConfigWishes, drawConfig } from "./config.ts";
import { isHopeless } from "./engine/life.ts";
import { runEpilogue } from "./epilogue.ts";
import { drawFaultKinds, healEverything, planFaults } from "./faults.ts";
import type { Violation } from "./history.ts";
import { planHolders } from "./holders.ts";
import { type ImpairedWatch, watchImpaired } from "./impaired.ts";
import type { Bug } from "./mutants.ts";
import { createOperator, type Operator } from "./operator.ts";
import { outsider } from "./outsider.ts";
import { createSite, type Site } from "./site.ts";

export interface RunOptions {
  readonly keepTrace?: boolean;
  /** See mutants.ts. */
  readonly bug?: Bug | null;
  readonly wishes?: ConfigWishes;
  /** Instead of those that the seed draws. */
  readonly faults?: readonly string[];
  readonly epilogue?: string | null;
  /** Waits no longer than this for a healed site to settle. */
  readonly settleMs?: number;
  /** false: every wall clock is right, whatever faults say. */
  readonly wrongClocks?: boolean;
  /** Looks at the site when the run is over: for finding the cause of a failure. */
  readonly onEnd?: (site: Site) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly hash: string;
  readonly steps: number;
  /** Simulated time. */
  readonly simulatedMs: number;
  readonly lines: readonly string[];
}

/** After everything healed: the longest pause between two tries of a start (5 min) and of a metered link, and an engine's deadlines. */
const SETTLE_MS = 480_000;
const SETTLE_METERED_MS = 1_500_000;
/** Ten minutes of uptime, by a clock that is one per cent slow, before a machine that restarted too often changes anything. */
const SETTLE_SAFE_MODE_MS = 610_000;
/** One batch after another, each in the next window for its images and the next one for its change. */
const SETTLE_WINDOWS_MS = 1_200_000;
const LOOK_MS = 5_000;
/**
 * A boot of two minutes counts as steady, a run of one as stable, and what is remembered of failures is let go then; last reports and
 * acknowledgements follow.
 */
const CALM_MS = 150_000;
const REST_MS = 60_000;
const GREEN_PERIOD_MS = 5_000;
/** A gap's words repeat: the first few tell the story. */
const MAX_GAPS = 6;

export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunResult> {
  const site = createSite(drawConfig(seed, options.wishes), {
    keepTrace: options.keepTrace ?? false,
    bug: options.bug ?? null,
    wrongClocks: options.wrongClocks ?? true,
  });
  const violations: Violation[] = [];
  const impaired = watchImpaired(site);
  const onUnhandled = (reason: unknown): void => {
    const text = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
    violations.push({ invariant: "bug", atMs: site.scheduler.nowMs(), message: `unhandled rejection: ${text}` });
  };
  process.on("unhandledRejection", onUnhandled);
  try {
    violations.push(...(await story(site, options, impaired)));
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    violations.push({ invariant: "bug", atMs: site.scheduler.nowMs(), message: text });
  }
  process.off("unhandledRejection", onUnhandled);
  violations.push(...site.history.violations);
  options.onEnd?.(site);
  return {
    seed,
    violations,
    hash: site.trace.hash(),
    steps: site.scheduler.steps(),
    simulatedMs: site.scheduler.nowMs(),
    lines: site.trace.lines(),
  };
}

async function story(site: Site, options: RunOptions, impaired: ImpairedWatch): Promise<readonly Violation[]> {
  const operator = await begin(site);
  await roughTimes(site, operator, options);
  healEverything(site);
  await pass(site, 2_000);
  operator.insist();
  const unsettled = await settle(site, options.settleMs);
  if (unsettled.length > 0) return [...unsettled, ...historyChecks(site, impaired)];
  const found = [...(await rest(site)), ...historyChecks(site, impaired)];
  if (found.length > 0 || site.history.violations.length > 0) return found;
  return await runEpilogue(site, options.epilogue);
}

export const pass = (site: Site, ms: number): Promise<void> => site.scheduler.runUntil(site.scheduler.nowMs() + ms);

async function begin(site: Site): Promise<Operator> {
  for (const node of site.nodes) outsider.placeDecoys(node);
  const operator = createOperator(site);
  site.hub.start();
  for (const node of site.nodes) node.startAgent();
  await pass(site, 1_000);
  operator.applyAll();
  return operator;
}

async function roughTimes(site: Site, operator: Operator, options: RunOptions): Promise<void> {
  const { roughMs } = site.config;
  const kinds = options.faults ?? drawFaultKinds(site.chance("fault kinds"));
  site.trace.note("fault", `kinds: ${kinds.join(", ")}`);
  planFaults(site, kinds, roughMs);
  operator.plan(roughMs);
  planHolders(site, roughMs);
  const until = site.scheduler.nowMs() + roughMs;
  site.scheduler.after(roughMs / 2, site.hub.keepSnapshot);
  while (site.scheduler.nowMs() < until) {
    await pass(site, Math.min(GREEN_PERIOD_MS, until - site.scheduler.nowMs()));
    site.history.violations.push(...findFalseGreen(site));
  }
}

/** [I10] Waits until nothing is missing any more; what still is after the bound is the violation. */
export async function settle(site: Site, mostMs?: number): Promise<readonly Violation[]> {
  const until = site.scheduler.nowMs() + (mostMs ?? settleMs(site));
  let gaps = siteGaps(site);
  while (gaps.length > 0 && site.scheduler.nowMs() < until) {
    await pass(site, LOOK_MS);
    gaps = siteGaps(site);
  }
  return gaps.slice(0, MAX_GAPS).map((gap) => violation(site, invariantOf(gap), `not settled: ${gap}`));
}

function settleMs({ config, nodes, hub }: Site): number {
  const linkMs = config.nodes.some((node) => node.metered) ? SETTLE_METERED_MS : SETTLE_MS;
  const apps = [...(hub.loop()?.world.apps.values() ?? [])];
  const timed = apps.some(({ spec }) => spec.services.some(({ times }) => times.apply ?? times.download ?? times.hold));
  const isSafe = nodes.some(({ disk }) => (disk.content().boots?.quickBefore ?? 0) >= QUICK_BOOTS_TO_SAFE_MODE);
  return linkMs + (isSafe ? SETTLE_SAFE_MODE_MS : 0) + (timed ? SETTLE_WINDOWS_MS : 0);
}

/** [I13] Something is left over; [I40] [I43] what operators said has not come true; [I23] the hub does not show what is; [I10] anything else that is missing. */
function invariantOf(gap: string): string {
  if (/orphan|has \d+ containers/.test(gap)) return "I13";
  if (gap.includes("an operator stopped it")) return "I40";
  if (gap.includes("is held by")) return "I46";
  if (/whose drain is over|which is drained/.test(gap)) return "I43";
  return gap.startsWith("hub shows") ? "I23" : "I10";
}

const violation = (site: Site, invariant: string, message: string): Violation => ({
  invariant,
  atMs: site.scheduler.nowMs(),
  message,
});

/** [I11] A settled site does nothing: no changing engine call, no write, and it stays settled. */
async function rest(site: Site): Promise<readonly Violation[]> {
  await pass(site, CALM_MS);
  const { history } = site;
  const before = {
    mutations: history.mutations.length,
    ledger: history.ledgerCommits.length,
    hub: history.commits.length,
  };
  await pass(site, REST_MS);
  const found = siteGaps(site).map((gap) => violation(site, invariantOf(gap), `did not stay settled: ${gap}`));
  if (hopeful(site)) {
    const calls = history.mutations.slice(before.mutations);
    for (const { node, call } of calls.slice(0, MAX_GAPS))
      found.push(violation(site, "I11", `at rest, ${node}: ${call}`));
    for (const { node, changes } of history.ledgerCommits.slice(before.ledger, before.ledger + MAX_GAPS)) {
      found.push(
        violation(
          site,
          "I11",
          `at rest, ${node} wrote ${changes.map((one) => JSON.stringify(one).slice(0, 200)).join()}`,
        ),
      );
    }
    for (const { commit } of history.commits.slice(before.hub, before.hub + MAX_GAPS)) {
      found.push(
        violation(
          site,
          "I11",
          `at rest, the hub wrote ${commit.changes.map((one) => JSON.stringify(one).slice(0, 200)).join()}`,
        ),
      );
    }
  }
  return found;
}

/** No workload fails for ever: those are tried again and again, which is right. */
function hopeful(site: Site): boolean {
  const images = site.nodes.flatMap((node) => [
    ...managed(node).map(({ request }) => request.spec.image),
    ...(node.disk.content().assignment?.workloads ?? []).map(({ spec }) => spec.image),
  ]);
  return !images.some(isHopeless);
}

function historyChecks(site: Site, impaired: ImpairedWatch): readonly Violation[] {
  const { history } = site;
  const store = site.hub.store();
  const known = new Map(
    site.nodes.flatMap((node) => {
      const id = node.id();
      return id !== null && site.hub.loop()?.world.nodes.has(id) ? [[node.name, id] as const] : [];
    }),
  );
  return [
    ...checks.ackedIsDurable(history, store),
    ...checks.hubOrder(history),
    ...checks.nodeOrder(history),
    ...checks.atMostOne(history, impaired.between),
    ...checks.handsOff(history),
    ...checks.noFalseAlarms(history),
    ...checks.keepStays(history),
    ...checks.eventsComplete(history, store, known, site.scheduler.nowMs() - UNDER_WAY_MS),
    ...volumesStay(site),
    ...updates.startsAsWanted(history),
    ...updates.goesBackOnce(history),
    ...updates.withinBudget(history),
    ...verdictsStand(history),
    ...updates.waysBack(history, impaired.between, site.scheduler.nowMs()),
  ];
}

/** [I15] A volume that was there is there. */
function volumesStay(site: Site): readonly Violation[] {
  return site.nodes.flatMap(({ name, machine }) =>
    machine
      .volumesEver()
      .filter((volume) => !machine.volumes.has(volume))
      .map((volume) => violation(site, "I15", `${name}: volume ${volume} is gone`)),
  );
}
