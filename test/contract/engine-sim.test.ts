// The simulated engine keeps the contract that real Docker keeps: what the simulator shows of an agent holds on a real node. Virtual
// time is driven on while a test waits; no real time passes.
import { createChance } from "../sim/chance.ts";
import { createSimEngine } from "../sim/engine/client.ts";
import { imageOf, type Kind } from "../sim/engine/life.ts";
import { createMachine } from "../sim/engine/machine.ts";
import { createHost } from "../sim/host.ts";
import { createScheduler } from "../sim/scheduler.ts";
import { createTrace } from "../sim/trace.ts";
import { type EngineUnderTest, engineContract, type Playing } from "./engine.ts";

const SEED = 7;
const STEP_MS = 50;
/** Of virtual time: simulated containers live slower lives than those of the real suite. */
const SOON_MS = 3_600_000;
const KINDS: Readonly<Record<Playing, Kind>> = {
  steady: "steady",
  stubborn: "stubborn",
  "exits-0": "job",
  "exits-1": "doomed",
  oom: "oom",
  "no-command": "broken",
  talks: "steady",
};

async function simulatedEngine(): Promise<EngineUnderTest> {
  const scheduler = createScheduler();
  const trace = createTrace(scheduler.nowMs, false);
  const chance = createChance(SEED, "engine");
  const host = createHost({ scheduler, seed: SEED, name: "n1", rate: 1, wrongClocks: false });
  const events: Parameters<typeof createSimEngine>[0]["events"] = { tell: () => undefined };
  const machine = createMachine({
    ...{ scheduler, chance, wallMs: host.wallMs },
    rough: () => true,
    onFact: () => undefined,
    onEvent: (event) => events.tell(event),
  });
  for (const kind of Object.values(KINDS))
    machine.images.set(imageOf(kind, 1), { id: `sha256:${kind}`, arch: "amd64" });
  machine.images.set(imageOf("sickly", 1), { id: "sha256:sickly", arch: "amd64" });
  const sim = createSimEngine({
    ...{ scheduler, chance, trace, name: "n1", arch: "amd64", memoryBytes: 2 ** 30, cores: 2, machine, events },
    inRegistry: () => false,
    onMutation: () => undefined,
  });
  const process = host.spawn("test", (error) => {
    throw error;
  });
  let open = true;
  const drive = async (): Promise<void> => {
    while (open) await scheduler.runUntil(scheduler.nowMs() + STEP_MS);
  };
  void drive();
  const check = {
    ...{ test: ["CMD", "true"], intervalMs: 1_000, timeoutMs: 1_000, startPeriodMs: 0, startIntervalMs: null },
    retries: 1,
  };
  return {
    engine: sim.client(process),
    playing: (how) => ({ image: imageOf(KINDS[how], 1) }),
    healthTurns: (to) => ({ image: imageOf(to === "healthy" ? "steady" : "sickly", 1), healthcheck: check }),
    async until(what, condition) {
      const endMs = scheduler.nowMs() + SOON_MS;
      while (!(await condition())) {
        // Virtual time goes on only when this test lets go.
        await new Promise((resolve) => setImmediate(resolve));
        if (scheduler.nowMs() > endMs) throw new Error(`not within ${SOON_MS} ms of virtual time: ${what}`);
      }
    },
    outside: {
      kill: async (id) => machine.kill(id, "outside", 137),
      setMemory: async (id, bytes) => machine.edit(id, bytes, "outside"),
      disconnect: async (network, id) => machine.disconnect(network, id, "outside"),
    },
    async close() {
      open = false;
      process.kill();
    },
  };
}

engineContract("simulated", simulatedEngine);
