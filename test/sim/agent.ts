// The real agent on a simulated node: joins if it must, then runs from what its disk holds. Everything it is given is simulated.
import { createAgent, type FactsSource } from "@skerry/agent/agent.ts";
import type { Engine } from "@skerry/agent/engine/engine.ts";
import { type Identity, type Ledger, LedgerError } from "@skerry/agent/ledger/ledger.ts";
import { openMemoryLedger } from "@skerry/agent/ledger/memory.ts";
import { DialError } from "@skerry/agent/link/failure.ts";
import type { NodeName } from "@skerry/shared/model/ids.ts";
import type { NodeFacts } from "@skerry/shared/model/node.ts";
import type { Connection } from "@skerry/shared/protocol/connection.ts";
import { sleep } from "@skerry/shared/runtime/clock.ts";
import { publicKeyOf } from "@skerry/shared/runtime/signature.ts";
import type { NodeConfig } from "./config.ts";
import type { Process } from "./host.ts";
import { JOIN_TOKEN, ORIGIN, SIGNING_KEY, type SimHub } from "./hub.ts";
import { logTo } from "./log.ts";
import { bugAgentClock, bugAgentConnection, bugAsk, bugEngine, bugLedger, bugTimes } from "./mutants.ts";
import type { SimNode } from "./node.ts";
import { asksMachine } from "./probes.ts";
import type { SitePart } from "./site.ts";
import { simTimes } from "./times.ts";

/** As the real dialer's. */
const DIAL_DEADLINE_MS = 20_000;
const JOIN_RETRY_MS = 2_000;
const HUB_URL = "http://hub.sim:7443";

export interface AgentStart {
  readonly part: SitePart;
  readonly node: SimNode;
  readonly hub: SimHub;
  readonly process: Process;
}

export function startAgent(start: AgentStart): void {
  const { process } = start;
  run(start).catch((error: unknown) => {
    process.step(() => {
      throw error;
    });
  });
}

async function run(start: AgentStart): Promise<void> {
  const { process, part, node } = start;
  const { random } = process;
  const clock = bugAgentClock(part.planted, process.clock);
  const opened = openMemoryLedger(node.disk);
  const { rebuilt } = opened;
  const ledger = bugLedger(part.planted, mortal(opened.ledger, process), node.host.bootId());
  const runId = random.hex(4);
  const log = logTo(part.trace, node.name);
  await joined(start, ledger);
  const engine = bugEngine(part.planted, node.engine.client(process), node.machine);
  const agent = createAgent({
    streams: { open: () => undefined, closeAll: () => undefined },
    clock,
    random,
    log,
    ledger,
    ledgerLost: rebuilt,
    engine,
    dial: () => dial(start, engine),
    facts: factsOf(node.config, process),
    leases: node.leases,
    ask: bugAsk(part.planted, asksMachine(node.probed, process, engine)),
    times: bugTimes(
      part.planted,
      simTimes({ clock, log, chance: node.probed.chance, rough: part.rough, files: node.leaseFiles }),
    ),
    safeModeOff: () => false,
    bootId: node.host.bootId(),
    runId,
    version: "0.1.0-sim",
    config: { metered: node.config.metered },
  });
  node.onAgent(() => agent.stop());
  await agent.run();
}

/** A process that dies in a commit meets an error that its code knows how to go on after: nothing that it then does has an effect. */
function mortal(ledger: Ledger, process: Process): Ledger {
  return {
    content: () => ledger.content(),
    close: () => ledger.close(),
    commit(changes) {
      try {
        ledger.commit(changes);
      } catch (error) {
        throw process.alive() ? error : new LedgerError("broken", "the process is dead");
      }
    },
  };
}

/** Never settles after its process is dead; rejects at the deadline, as a real dialer does. */
function dial({ part, process, node }: AgentStart, engine: Engine): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let open = true;
    const fail = (message: string): void => {
      if (open) reject(new DialError({ kind: "no-answer", message }));
      open = false;
    };
    const deadline = process.clock.setTimer(DIAL_DEADLINE_MS, () => fail("no answer in time"));
    part.network.dial(process, node.name).then(
      (connection) => {
        deadline.cancel();
        if (open) resolve(bugAgentConnection(part.planted, connection, engine, node.machine));
        else {
          connection.listen({ onFrame() {}, onClose() {} });
          connection.close(1000, "too late");
        }
        open = false;
      },
      (error: unknown) => {
        deadline.cancel();
        fail(error instanceof Error ? error.message : String(error));
      },
    );
  });
}

/** As the real join: a key that is durable first, then asking until there is an answer. */
async function joined(start: AgentStart, ledger: Ledger): Promise<void> {
  if (ledger.content().identity !== null) return;
  const { process, node } = start;
  const privateKey = node.privateKey();
  for (;;) {
    const identity = await askHub(start, privateKey);
    if (identity !== null) {
      try {
        ledger.commit([{ kind: "identity", identity }]);
        return;
      } catch (error) {
        if (!(error instanceof Error) || error.name !== "LedgerError") throw error;
      }
    }
    await sleep(process.clock, JOIN_RETRY_MS * (0.5 + process.random.next()));
  }
}

async function askHub(start: AgentStart, privateKey: string): Promise<Identity | null> {
  const { part, process, node, hub } = start;
  const timedOut = sleep(process.clock, DIAL_DEADLINE_MS).then(() => null);
  const answer = part.network
    .call(process, node.name, () => {
      const loop = hub.loop();
      if (loop === null) return null;
      const result = loop.submit(
        {
          kind: "join-node",
          publicKey: publicKeyOf(privateKey),
          // pi-1 and the like are valid names.
          name: node.name as NodeName,
          labels: node.config.labels,
          facts: null,
          tokenId: JOIN_TOKEN,
        },
        { actor: `token ${JOIN_TOKEN}`, origin: ORIGIN, freshToken: null, idempotency: null },
      );
      return result.ok && result.value.outcome.kind === "node-joined" ? result.value.outcome : null;
    })
    .catch(() => null);
  const outcome = await Promise.race([answer, timedOut]);
  if (outcome === null) return null;
  const { node: id, name, installation } = outcome;
  const tls = { pins: [], binding: "none", tokens: [] } as const;
  const keys = { nextKey: null, keyStep: 0, labelSecret: null, formerBoxKeys: [] };
  return {
    node: id,
    name,
    installation,
    privateKey,
    hubUrl: HUB_URL,
    hubKey: SIGNING_KEY.publicKey,
    mark: null,
    ...tls,
    ...keys,
  };
}

function factsOf(config: NodeConfig, { clock }: Process): FactsSource {
  let facts: NodeFacts | null = null;
  return {
    facts: () => facts,
    figures: () => null,
    readings: () => null,
    start(changed) {
      clock.setTimer(50, () => {
        facts = {
          hostname: config.name,
          arch: config.arch,
          os: "Debian GNU/Linux 13",
          kernel: "6.12.0",
          model: null,
          cores: config.cores,
          memoryBytes: config.memoryBytes,
          diskBytes: 32_000_000_000,
          engineVersion: "28.0.0-sim",
          engineApiVersion: "1.47",
          agentVersion: "0.1.0-sim",
          metered: config.metered,
        };
        changed();
      });
    },
    stop() {},
  };
}
