// Why an image did not come: what lasts fails a gate, what may pass by itself is tried again.
import { PLAIN_CHANGE_OVER } from "@skerry/shared/model/plain.ts";
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
import type { PullFailure } from "../engine/engine.ts";
import { pullFailure } from "../engine/engine-words.ts";
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
  expect(seen.plan.lanes.flatMap(({ actions }) => actions)).toEqual([]);
  return statusOf(seen.plan, v2).gate.kind;
};

describe("a pull that failed", () => {
  test.each(["not-found", "unauthorised", "wrong-architecture", "too-big"] as const)(
    "[N140] %s fails the gate, and what ran runs on",
    (why) => {
      expect(gateAfter(why)).toBe("failed");
    },
  );

  test.each(["unreachable", "other", undefined] as const)("[N140] %s leaves the gate open", (why) => {
    expect(gateAfter(why)).toBe("open");
  });

  test.each<[string, PullFailure]>([
    ["manifest for r.test/web:9 not found: manifest unknown: manifest unknown", "not-found"],
    ["pull access denied for web, repository does not exist or may require 'docker login'", "unauthorised"],
    ["unauthorized: authentication required", "unauthorised"],
    ["no matching manifest for linux/arm/v7 in the manifest list entries", "wrong-architecture"],
    ['Get "https://r.test/v2/": dial tcp: lookup r.test: no such host', "unreachable"],
    ["dial tcp 10.0.0.9:5000: connect: connection refused", "unreachable"],
    ["read tcp 10.0.0.1:1->10.0.0.9:5000: read: connection reset by peer", "unreachable"],
    ["toomanyrequests: You have reached your unauthenticated pull rate limit", "other"],
    ["failed to register layer: no space left on device", "other"],
  ])("[E75] %s is %s", (message, why) => {
    expect(pullFailure(message)).toBe(why);
  });
});
