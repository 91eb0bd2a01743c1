// Why an image did not come: what lasts fails a gate, what may pass by itself is tried again.
import { PLAIN_CHANGE_OVER } from "@skerry/shared/model/plain.ts";
import type { PullFailure } from "@skerry/shared/model/report.ts";
import { describe, expect, test } from "vitest";
import {
  assignment,
  container,
  type ModelNode,
  observed,
  passedMemory,
  round,
  settle,
  statusOf,
  workload,
} from "../../../test/unit/agent/scenario.ts";
import { pullFailure } from "../engine/engine-words.ts";
import { PULL_TURN } from "./plan/images.ts";
import { imageLaneKey } from "./plan/scene.ts";
import type { Outcome } from "./remember.ts";

const v1 = workload("web", { revision: 1, spec: { image: "web:1" } });
const v2 = {
  ...workload("web", { revision: 2, hash: "b2", spec: { image: "web:2" } }),
  changeOver: {
    ...PLAIN_CHANGE_OVER,
    monitorMs: 5_000,
    deadlineMs: 600_000,
    onFailure: "revert" as const,
    previous: { revision: v1.revision, specHash: v1.specHash, spec: v1.spec, probes: null },
  },
};

const changing = (): ModelNode => {
  const before = settle(
    {
      desired: assignment([v1]),
      observed: observed([v1], [container(v1, { id: "c1" })]),
      memory: passedMemory(v1),
      now: 1_000_000,
      count: 0,
    },
    3,
  ).node;
  const images = new Map([
    ["web:1", "sha256:web:1"],
    ["web:2", null],
  ]);
  return { ...before, desired: assignment([v2]), observed: { ...before.observed, images } };
};

const failing = (why: PullFailure | undefined): Outcome => ({
  ok: false,
  kind: "retry",
  message: "it did not come",
  ...(why === undefined ? {} : { pullFailure: why }),
});

const gateAfter = (why: PullFailure | undefined): string => {
  const failed = round(changing(), {}, ({ kind }) => (kind === "pull-image" ? failing(why) : undefined)).node;
  const seen = round(failed);
  expect(failed.memory.get(v2.id)?.pullFailure).toBe(why ?? "other");
  const status = statusOf(seen.plan, v2);
  expect(status.state.kind).toBe("running");
  // What it went back to needs no pull.
  expect(status.pullFailure).toBe(status.gate.kind === "failed" ? null : (why ?? "other"));
  expect(seen.plan.lanes.flatMap(({ actions }) => actions)).toEqual([]);
  return statusOf(seen.plan, v2).gate.kind;
};

describe("a pull under way", () => {
  const key = imageLaneKey("web:2", null);
  const busy = new Map([
    [
      key,
      {
        key,
        actions: [{ kind: "pull-image", workload: v2.id, image: "web:2", platform: null, credential: null }],
      } as const,
    ],
  ]);
  const amounts = { doneBytes: 12, totalBytes: 40, doneLayers: 2, totalLayers: 5 };
  const pulls = new Map([[key, { ...amounts, sinceMs: 1_000 }]]);

  test("[N199] it is told with its bytes, layers and age beside the state of what still runs", () => {
    const node = changing();
    const status = statusOf(round(node, { busy, pulls }).plan, v2);
    expect(status).toMatchObject({ state: { kind: "running" }, gate: { kind: "open", waits: "image" } });
    expect(status).toMatchObject({ pull: { ...amounts, forMs: node.now - 1_000 }, pullFailure: null });
  });

  test("[N199] where nothing runs yet it is the state itself", () => {
    const node = { ...changing(), observed: { ...changing().observed, own: [] } };
    const status = statusOf(round(node, { busy, pulls }).plan, v2);
    expect(status).toMatchObject({ state: { kind: "pulling", ...amounts }, pull: null });
  });

  test("[N200] one that has not begun while it is under way waits for its turn", () => {
    const nothing = { ...changing(), observed: { ...changing().observed, own: [] } };
    expect(statusOf(round(nothing, { busy }).plan, v2).state).toEqual({ kind: "waiting", reason: PULL_TURN });
    expect(statusOf(round(changing(), { busy }).plan, v2).gate).toMatchObject({ waits: "image", reason: PULL_TURN });
  });
});

describe("a pull that failed", () => {
  test.each(["not-found", "unauthorised", "wrong-architecture", "too-big"] as const)(
    "[N140] %s fails the gate, and what ran runs on",
    (why) => {
      expect(gateAfter(why)).toBe("failed");
    },
  );

  test.each(["disk-full", "untrusted", "too-many-requests", "unreachable", "other", undefined] as const)(
    "[N140] %s leaves the gate open",
    (why) => {
      expect(gateAfter(why)).toBe("open");
    },
  );

  test.each<[string, PullFailure]>([
    ["manifest for r.test/web:9 not found: manifest unknown: manifest unknown", "not-found"],
    ["pull access denied for web, repository does not exist or may require 'docker login'", "unauthorised"],
    ["unauthorized: authentication required", "unauthorised"],
    ["no matching manifest for linux/arm/v7 in the manifest list entries", "wrong-architecture"],
    ['Get "https://r.test/v2/": dial tcp: lookup r.test: no such host', "unreachable"],
    ["dial tcp 10.0.0.9:5000: connect: connection refused", "unreachable"],
    ["read tcp 10.0.0.1:1->10.0.0.9:5000: read: connection reset by peer", "unreachable"],
    ["toomanyrequests: You have reached your unauthenticated pull rate limit", "too-many-requests"],
    ["failed to register layer: no space left on device", "disk-full"],
    ['Get "https://r.test/v2/": x509: certificate signed by unknown authority', "untrusted"],
    ["failed to register layer: unexpected commit digest", "other"],
  ])("[E75] %s is %s", (message, why) => {
    expect(pullFailure(message)).toBe(why);
  });
});
