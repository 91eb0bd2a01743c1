// One real message of each kind, for the fuzzer to change. A test holds them against the decoders: what is refused as it stands fuzzes nothing.
import { anAssignment } from "../contract/ledger-samples.ts";

export const HASH = "a".repeat(64);
const SIGNATURE = "0".repeat(128);
const position = { epoch: 1, generation: 2 };
const mark = { count: 3, value: "b".repeat(32) };
const ref = { kind: "secret", app: null, name: "db", version: "c".repeat(32) };
const assignment = anAssignment(3);

export const TO_HUB = [
  {
    type: "hello",
    protocol: 3,
    protocolMinimum: 3,
    node: "n0123456789abcdef",
    signature: SIGNATURE,
    bootId: "b",
    runId: "r",
    agentVersion: "v",
    have: { position, hash: HASH },
    mark,
    pins: [HASH],
    fresh: "d".repeat(32),
  },
  { type: "next-key", publicKey: HASH, byPresent: SIGNATURE, byNext: SIGNATURE },
  { type: "marked", mark },
  { type: "pins-kept", pins: [HASH] },
  { type: "need-values", boxKey: HASH, signature: SIGNATURE, wanted: [ref] },
  { type: "beat", n: 1 },
  { type: "accepted", position, hash: HASH },
  { type: "refused", position, reason: "stale", message: "m", have: null },
  { type: "need-whole", have: null },
  {
    type: "report",
    report: {
      ...{ whole: true, observed: position, gone: ["a/b/1"], facts: null, figures: null, conditions: null },
      ports: [],
      workloads: [
        {
          id: "a/b/1",
          revision: 1,
          specHash: HASH,
          state: { kind: "waiting", reason: "r" },
          forMs: 1,
          containerId: null,
          imageId: null,
          restarts: 0,
        },
      ],
    },
  },
  { type: "events", items: [{ seq: 1, bootId: "b", ageMs: 0, event: { kind: "engine-lost", reason: "r" } }] },
];
export const TO_AGENT = [
  { type: "challenge", nonce: HASH, binding: "tls-exporter" },
  {
    type: "welcome",
    protocol: 3,
    installation: "i0123456789abcdef",
    hubVersion: "v",
    heartbeatMs: 20_000,
    eventsAcked: 0,
    mark,
    pins: [HASH],
    signature: SIGNATURE,
  },
  { type: "pins", pins: [HASH], count: 2, signature: SIGNATURE },
  { type: "roll-key", signature: SIGNATURE },
  { type: "key-taken", publicKey: HASH, signature: SIGNATURE },
  { type: "pace", heartbeatMs: 1_000 },
  { type: "beat-ack", n: 1 },
  { type: "assign", assignment, signature: SIGNATURE },
  {
    type: "assign-delta",
    signature: SIGNATURE,
    delta: {
      ...{ installation: assignment.installation, node: assignment.node, from: position, fromHash: HASH },
      ...{ position: { epoch: 1, generation: 3 }, hash: HASH, setApps: assignment.apps, unsetApps: ["old"] },
      ...{ setWorkloads: assignment.workloads, retired: assignment.retired },
    },
  },
  { type: "value", ref, box: "AAAA", signature: SIGNATURE },
  { type: "value-refused", ref, reason: "r" },
  { type: "events-ack", seq: 1 },
  { type: "goodbye", reason: "r", reconnectWithinMs: 5 },
  { type: "open-stream", ticket: "t", signature: SIGNATURE },
];
