// What nodes say: believed as far as they speak of themselves, and no further.
import type { OutboxItem } from "@skerry/shared/model/event.ts";
import { describe, expect, test } from "vitest";
import { facts, nodeId, Scenario, status, workload } from "../../../test/unit/hub/scenario.ts";
import { workloadCondition } from "./condition.ts";
import { BACKLOG_MS } from "./liveness.ts";
import { greeted, received } from "./received.ts";

const first = nodeId(1);
const hash = "0".repeat(64) as never;

function running(): Scenario {
  const s = new Scenario();
  s.join();
  s.applyApp("a", {});
  s.obey(first);
  return s;
}

const FRESH = "f".repeat(32);
const known = (s: Scenario) => ({ mark: s.world.nodes.get(first)?.lineage.next ?? null, runId: "run" });

const accept = (s: Scenario, generation: number, epoch = 1): string | null =>
  s.frame(first, { type: "accepted", position: { epoch, generation }, hash });

describe("positions", () => {
  test("[H84] a position that was never given out is refused; an older one changes nothing", () => {
    const s = running();
    expect(accept(s, 2)).toMatch(/never assigned/);
    expect(accept(s, 1, 2)).toMatch(/never assigned/);
    s.applyApp("a", { image: "web:2" });
    s.obey(first);
    expect(accept(s, 1)).toBeNull();
    expect(s.world.nodes.get(first)?.accepted).toEqual({ epoch: 1, generation: 2 });
  });

  test("[H87] a hello from the future raises nothing and is not believed", () => {
    const s = running();
    const have = { position: { epoch: 1, generation: 2 ** 40 }, hash };
    const result = greeted(s.world, { node: first, have, ...known(s) }, null, s.now, FRESH);
    expect(result.ok).toBe(true);
    if (result.ok) s.apply(result.value);
    expect(s.world.nodes.get(first)).toMatchObject({ assigned: { generation: 1 }, accepted: { generation: 1 } });
  });

  test("[H87] a node that lost its ledger has accepted nothing; one with other content is not believed", () => {
    const s = running();
    s.ledgers.delete(first);
    s.connect(first);
    expect(s.world.nodes.get(first)?.accepted).toBeNull();
    const have = { position: { epoch: 1, generation: 1 }, hash };
    const result = greeted(s.world, { node: first, have, ...known(s) }, false, s.now, FRESH);
    if (result.ok) s.apply(result.value);
    expect(s.world.nodes.get(first)?.accepted).toBeNull();
  });

  test("[H88] a refusal is kept with its event until the newest position is accepted", () => {
    const s = running();
    s.applyApp("a", { image: "web:2" });
    const position = { epoch: 1, generation: 2 };
    for (let twice = 0; twice < 2; twice += 1)
      s.frame(first, { type: "refused", position, reason: "not-durable", message: "disk full", have: null });
    expect(s.world.nodes.get(first)?.refusal).toEqual({ reason: "not-durable", message: "disk full" });
    expect(s.events().filter(({ kind }) => kind === "assignment-refused")).toHaveLength(1);
    s.frame(first, {
      type: "refused",
      position: { epoch: 1, generation: 1 },
      reason: "stale",
      message: "",
      have: null,
    });
    expect(s.world.nodes.get(first)?.refusal?.reason).toBe("not-durable");
    s.obey(first);
    expect(s.world.nodes.get(first)?.refusal).toBeNull();
  });
});

describe("whether a word still counts", () => {
  const good = (s: Scenario): boolean => workloadCondition(s.world, workload("a/web/1")) === "good";
  const part = { whole: false, observed: { epoch: 1, generation: 1 }, workloads: [], gone: [] };
  const rest = { facts: null, figures: null, ports: null, conditions: null };

  test("[H89] what was said on an earlier connection is not shown as good before the whole report of the new one", () => {
    const s = running();
    expect(good(s)).toBe(true);
    s.disconnect(first);
    expect(good(s)).toBe(true);
    s.connect(first);
    expect(good(s)).toBe(false);
    s.beat(first);
    s.frame(first, { type: "report", report: { ...part, ...rest } });
    expect(good(s)).toBe(false);
    s.obey(first);
    expect(good(s)).toBe(true);
  });

  test("[H89] a lease that ends and a beat that comes after all do not make an old word new, nor a current one old", () => {
    const s = running();
    s.pass(60_000);
    expect(s.world.reachability.get(first)?.kind).toBe("unreachable");
    expect(good(s)).toBe(false);
    s.beat(first);
    expect(good(s)).toBe(true);
    s.connect(first);
    s.pass(60_000);
    s.beat(first);
    expect(good(s)).toBe(false);
  });

  /** The hub stands still for ten minutes, and reads then what waited. */
  function paused(s: Scenario): void {
    s.now += 600_000;
    s.decide();
  }

  test("[H90] after a pause of the hub nothing is good before a word that cannot have waited meanwhile", () => {
    const s = running();
    paused(s);
    expect(s.world.reachability.get(first)?.kind).toBe("ready");
    expect(good(s)).toBe(false);
    s.beat(first);
    s.report(
      first,
      [...(s.assignment(first)?.workloads ?? [])].map(({ id, revision, specHash }) =>
        status(id, { kind: "running", health: "none" }, revision, specHash),
      ),
    );
    expect(good(s)).toBe(false);
    s.now += BACKLOG_MS + 1;
    expect(good(s)).toBe(false);
    s.beat(first);
    expect(good(s)).toBe(true);
  });

  test("[H90] frames that are read before the pause is noticed change nothing in that", () => {
    const s = running();
    s.now += 600_000;
    const beat = received(s.world, first, { type: "beat", n: 1 }, s.now);
    if (beat.ok) s.apply(beat.value);
    s.decide();
    expect(good(s)).toBe(false);
  });

  test("[H90] a connection that was opened after the pause needs no more than its whole report", () => {
    const s = running();
    paused(s);
    s.connect(first);
    s.obey(first);
    expect(good(s)).toBe(true);
  });

  test("[H90] the word of a connection that stood through the pause unreported waits like any other", () => {
    const s = running();
    s.connect(first);
    paused(s);
    s.obey(first);
    expect(good(s)).toBe(false);
    s.now += BACKLOG_MS + 1;
    s.beat(first);
    expect(good(s)).toBe(true);
  });
});

describe("events and reports", () => {
  const item = (seq: number): OutboxItem => ({ seq, bootId: "b", ageMs: 0, event: { kind: "gap", lost: 1 } });
  const stored = (s: Scenario): readonly number[] =>
    s.log.flatMap((change) => (change.kind === "node-events" ? change.items.map(({ seq }) => seq) : []));

  test("[H85] an event that came before, or twice in one frame, counts once", () => {
    const s = running();
    s.frame(first, { type: "events", items: [item(1), item(2), item(2)] });
    s.frame(first, { type: "events", items: [item(1), item(2)] });
    s.frame(first, { type: "events", items: [item(2), item(4)] });
    expect(stored(s)).toEqual([1, 2, 4]);
    expect(s.world.nodes.get(first)?.eventsAcked).toBe(4);
  });

  test("[H86] more than a node can have is a protocol error, at once and piece by piece", () => {
    const s = running();
    const many = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => status(workload(`x/y/${from + index}`)));
    expect(s.report(first, many(0, 401))).toMatch(/more than 400/);
    expect(s.report(first, many(0, 400))).toBeNull();
    const part = { whole: false, observed: { epoch: 1, generation: 1 }, gone: [], facts: null, figures: null };
    const rest = { ports: null, conditions: null };
    expect(s.frame(first, { type: "report", report: { ...part, ...rest, workloads: many(0, 50) } })).toBeNull();
    expect(s.frame(first, { type: "report", report: { ...part, ...rest, workloads: many(400, 1) } })).toMatch(/400/);
  });

  test("[H88] new facts make room at once; a report of what is not wanted here is only seen", () => {
    const s = new Scenario();
    s.join({ facts: null });
    s.applyApp("a", { memoryBytes: 1_000 });
    expect(s.placed()).toEqual({});
    const report = {
      whole: true,
      observed: { epoch: 1, generation: 0 },
      workloads: [status(workload("other/x/1"))],
      gone: [],
    };
    s.frame(first, { type: "report", report: { ...report, facts, figures: null, ports: null, conditions: null } });
    expect(s.placed()).toEqual({ "a/web/1": 1 });
    expect(s.world.observations.get(first)?.workloads.has(workload("other/x/1"))).toBe(true);
    expect(s.world.tombstonesByNode.size).toBe(0);
  });
});
