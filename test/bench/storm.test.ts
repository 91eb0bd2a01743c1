// What the bench makes of its storms: medians, the largest memory, and the figures of a fleet of 10,000.
import { expect, test } from "vitest";
import { figuresOf } from "./storm.ts";

test("a storm's figures are medians, the highest memory, all actions, and in proportion for 10,000 nodes", () => {
  const storms = [
    { seconds: 3, tries: 2_000, actions: 0, cpuS: 4, peakMb: 300 },
    { seconds: 9, tries: 2_400, actions: 1, cpuS: 8, peakMb: 330 },
    { seconds: 5, tries: 2_100, actions: 0, cpuS: 5, peakMb: 310 },
  ];
  expect(figuresOf(2_000, 280, storms)).toEqual({
    nodes: 2_000,
    seconds: 5,
    seconds_each: [3, 9, 5],
    hub_cpu_s: 5,
    hub_cpu_ms_per_node: 2.5,
    rss_mb: 330,
    rss_resting_mb: 280,
    dials: 2_100,
    container_actions: 1,
    seconds_10000: 25,
    hub_cpu_s_10000: 25,
  });
});
