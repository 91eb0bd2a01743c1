// When limits count as edited from outside.
import { defaultContainerSpec } from "@skerry/shared/model/container.ts";
import { describe, expect, test } from "vitest";
import { expectedLimits, limitsDrift, limitsText } from "./compare.ts";

const spec = { ...defaultContainerSpec, image: "web:1", memoryBytes: 4_096, nanoCpus: 500, cpuShares: 7, pidsLimit: 9 };
const asked = expectedLimits(spec);
const recorded = limitsText(asked);

describe("limits", () => {
  test("[E54] as recorded is no drift, and each edit is named", () => {
    expect(limitsDrift(recorded, asked)).toBeNull();
    expect(limitsDrift(recorded, { ...asked, memoryBytes: 8_192, pidsLimit: 10 })).toBe(
      "limits were edited (memory=8192, pids=10)",
    );
    expect(limitsDrift(recorded, { ...asked, restartPolicy: "always" })).toBe("limits were edited (restart=always)");
    expect(limitsDrift("", asked)).toBeNull();
  });

  test("[E54] a limit that the engine cannot enforce and shows as none is no drift", () => {
    const none = { memoryBytes: 0, nanoCpus: 0, cpuShares: 0, pidsLimit: null, restartPolicy: "no" };
    expect(limitsDrift(recorded, none)).toBeNull();
    expect(limitsDrift(limitsText(none), asked)).toContain("memory=4096");
  });
});
