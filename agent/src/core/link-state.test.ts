// The lease, from the agent's side.
import { describe, expect, test } from "vitest";
import {
  beatAcked,
  beatSent,
  initialLinkState,
  leaseLeftMs,
  linkConnected,
  linkDisconnected,
  savedLease,
  silentForMs,
} from "./link-state.ts";

describe("link state", () => {
  test("[N74] a lease counts from when the last acknowledged beat was sent, not from when its answer came", () => {
    const sent = beatSent(linkConnected(initialLinkState("b", null, 0), 100), 1, 1_000);
    expect(leaseLeftMs(sent, 5_000, 1_500)).toBe(0);
    const acked = beatAcked(beatSent(sent, 2, 2_000), 1);
    expect(leaseLeftMs(acked, 5_000, 2_500)).toBe(3_500);
    expect(silentForMs(acked, 2_500)).toBe(1_500);
    expect(leaseLeftMs(acked, 5_000, 6_000)).toBe(0);
    expect(leaseLeftMs(beatAcked(acked, 2), 5_000, 6_000)).toBe(1_000);
  });

  test("[N74] answers that are late, repeated or of another connection renew nothing", () => {
    const acked = beatAcked(beatSent(initialLinkState("b", null, 0), 2, 2_000), 2);
    expect(beatAcked(acked, 2)).toBe(acked);
    expect(beatAcked(acked, 99)).toBe(acked);
    const reconnected = linkConnected(linkDisconnected(beatSent(acked, 3, 3_000), 3_500), 4_000);
    expect(beatAcked(reconnected, 3).leaseFromMs).toBe(2_000);
    expect(reconnected).toMatchObject({ connected: true, changedAtMs: 4_000 });
  });

  test("[N75] a lease outlives the agent's process within a boot, and never a reboot", () => {
    const saved = savedLease(beatAcked(beatSent(initialLinkState("b", null, 0), 1, 1_000), 1), "b");
    expect(saved).toEqual({ bootId: "b", leaseFromMs: 1_000 });
    expect(initialLinkState("b", saved, 2_000).leaseFromMs).toBe(1_000);
    expect(initialLinkState("other", saved, 2_000).leaseFromMs).toBeNull();
    expect(initialLinkState("b", saved, 500).leaseFromMs).toBeNull();
    expect(silentForMs(initialLinkState("b", null, 0), 10)).toBeNull();
  });
});
