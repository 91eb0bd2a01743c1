// Events between the outbox and a hub, when the ledger's disk is full in between.
import { MemoryDisk, openMemoryLedger } from "@skerry/agent/ledger/memory.ts";
import { encodeToAgent } from "@skerry/shared/protocol/codec.ts";
import type { ConnectionHandlers } from "@skerry/shared/protocol/connection.ts";
import { PROTOCOL_VERSION } from "@skerry/shared/protocol/version.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { expect, test } from "vitest";
import { anIdentity } from "../../../test/contract/ledger-samples.ts";
import { Session } from "./session.ts";

const clock = { monotonicMs: () => 0, wallMs: () => 0, setTimer: () => ({ cancel() {} }) };
const nothing = () => undefined;

function openSession(disk: MemoryDisk) {
  const { ledger } = openMemoryLedger(disk);
  ledger.commit([
    { kind: "identity", identity: anIdentity },
    { kind: "boot", bootId: "boot-1" },
    { kind: "event", atMs: 0, wallMs: 0, event: { kind: "link-lost", reason: "no route" } },
  ]);
  const sent: string[] = [];
  let handlers: ConnectionHandlers | null = null;
  const connection = {
    send: (text: string) => sent.push(text),
    bufferedBytes: () => 0,
    close: nothing,
    listen(given: ConnectionHandlers) {
      handlers = given;
    },
  };
  const session = new Session({
    ...{ clock, random: systemRandom, log: silentLog, connection, ledger, identity: anIdentity },
    ...{ bootId: "boot-1", runId: "run-1", agentVersion: "1", metered: false },
    told: () => ({
      ...{
        observed: { epoch: 0, generation: 0 },
        workloads: [],
        facts: null,
        figures: null,
        ports: [],
        conditions: [],
      },
    }),
    handlers: {
      ...{ onWelcome: nothing, onBeatSent: nothing, onBeatAcked: nothing },
      ...{ onAccepted: nothing, onConditions: nothing, onOpenStream: nothing, onEnd: nothing },
    },
  });
  session.start();
  const receive = (frame: Parameters<typeof encodeToAgent>[0]) => handlers?.onFrame(encodeToAgent(frame));
  receive({
    ...{ type: "welcome", protocol: PROTOCOL_VERSION, installation: anIdentity.installation },
    ...{ hubVersion: "1", heartbeatMs: 15_000, eventsAcked: 0, mark: null },
  });
  const eventFrames = () => sent.filter((text) => text.startsWith('{"type":"events"'));
  return { session, ledger, receive, eventFrames };
}

test("acknowledged events that a full disk kept in the outbox are not sent again, and those after them are once there is room", () => {
  const disk = new MemoryDisk();
  const { session, ledger, receive, eventFrames } = openSession(disk);
  expect(eventFrames()).toHaveLength(1);
  disk.onCommit = () => "full";
  receive({ type: "events-ack", seq: 1 });
  session.sendEvents();
  expect(eventFrames()).toHaveLength(1);
  disk.onCommit = () => "written";
  ledger.commit([{ kind: "event", atMs: 1, wallMs: 1, event: { kind: "link-lost", reason: "again" } }]);
  session.sendEvents();
  expect(eventFrames()).toHaveLength(2);
  expect(eventFrames()[1]).toContain('"seq":2');
  expect(ledger.content().outbox.map(({ seq }) => seq)).toEqual([2]);
});
