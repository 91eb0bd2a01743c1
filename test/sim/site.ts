// A whole simulated installation: one hub, its nodes, their engines and links, on one virtual time. Builds the parts and joins them;
// what happens to them is the business of faults.ts and operator.ts.
import { comparePositions } from "@skerry/shared/model/assignment-hash.ts";
import { decodeToAgent } from "@skerry/shared/protocol/codec.ts";
import { CLOSE } from "@skerry/shared/protocol/version.ts";
import { type Chance, createChance } from "./chance.ts";
import type { SiteConfig } from "./config.ts";
import { createHistory, type History } from "./history.ts";
import { createHub, type SimHub } from "./hub.ts";
import type { Bug } from "./mutants.ts";
import { createNetwork, type Network } from "./network.ts";
import { createNode, type SimNode } from "./node.ts";
import { createScheduler, type Scheduler } from "./scheduler.ts";
import { createTrace, type Trace } from "./trace.ts";

/** What every part of a site is given. */
export interface SitePart {
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly history: History;
  readonly network: Network;
  readonly rough: () => boolean;
  readonly wrongClocks: boolean;
  chance(part: string): Chance;
  /** The code under test threw. Says whether its process dies of it. */
  crashed(who: string, error: unknown): boolean;
  /** A planted bug is on. */
  planted(bug: Bug): boolean;
}

export interface Site extends SitePart {
  readonly config: SiteConfig;
  readonly hub: SimHub;
  readonly nodes: readonly SimNode[];
  setRough(rough: boolean): void;
}

export interface SiteOptions {
  readonly keepTrace: boolean;
  readonly wrongClocks: boolean;
  /** See mutants.ts; null: none. */
  readonly bug: Bug | null;
}

export function createSite(config: SiteConfig, options: SiteOptions): Site {
  const { seed } = config;
  const scheduler = createScheduler();
  const trace = createTrace(() => scheduler.nowMs(), options.keepTrace);
  const history = createHistory();
  let rough = true;
  const network = createNetwork({
    scheduler,
    chance: createChance(seed, "network"),
    trace,
    onSend: (_link, direction, text) => {
      if (direction === "down") noteOffer(history, scheduler.nowMs(), hub, text);
    },
    onClose(link, code, reason) {
      // Between honest sides of one version neither is ever misunderstood, nor asked for more than it takes.
      const misread = code === CLOSE.protocolError && !reason.startsWith("no hello");
      const wrong = misread || /too many|more is waiting/.test(reason);
      if (!wrong) return;
      const message = `the connection of ${link} was closed with ${code}: ${reason}`;
      history.violations.push({ invariant: "bug", atMs: scheduler.nowMs(), message });
    },
  });
  const part: SitePart = {
    seed,
    scheduler,
    trace,
    history,
    network,
    rough: () => rough,
    wrongClocks: options.wrongClocks,
    chance: (name) => createChance(seed, name),
    planted: (bug) => options.bug === bug,
    crashed(who, error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      trace.note(who, `crashed: ${text.split("\n")[0] ?? ""}`);
      history.violations.push({ invariant: "bug", atMs: scheduler.nowMs(), message: `${who} crashed: ${text}` });
      return true;
    },
  };
  const hub = createHub(part, config.hubRate);
  const nodes = config.nodes.map((node) => createNode(part, node, hub));
  return {
    ...part,
    config,
    hub,
    nodes,
    setRough(now) {
      rough = now;
    },
  };
}

/** What the hub gives out, and [I21] that it is the newest at that moment. */
function noteOffer(history: History, atMs: number, hub: SimHub, text: string): void {
  if (!text.startsWith('{"type":"assign')) return;
  const decoded = decodeToAgent(text);
  if (!decoded.ok) {
    history.violations.push({
      invariant: "bug",
      atMs,
      message: `the hub sent a frame that is not valid: ${decoded.error}`,
    });
    return;
  }
  const frame = decoded.value;
  if (frame.type !== "assign" && frame.type !== "assign-delta") return;
  const { node, position, hash } = frame.type === "assign" ? frame.assignment : frame.delta;
  history.offered.push({ atMs, node, position: `${position.epoch}.${position.generation}`, hash });
  const assigned = hub.loop()?.world.nodes.get(node)?.assigned;
  if (assigned !== undefined && comparePositions(assigned, position) !== 0) {
    const newest = `${assigned.epoch}.${assigned.generation}`;
    const message = `${node} was sent ${position.epoch}.${position.generation} while ${newest} was the newest`;
    history.violations.push({ invariant: "I21", atMs, message });
  }
}
