// What goes wrong, and when: each fault says what it does and for how long. A seed turns on some kinds and leaves the others out.
// Every fault ends by itself or with `healEverything`; nothing here looks at what the code under test does.
import { LABEL } from "@skerry/agent/engine/labels.ts";
import type { Chance } from "./chance.ts";
import { NO_FAULTS } from "./engine/client.ts";
import type { SimContainer } from "./engine/machine.ts";
import type { SimNode } from "./node.ts";
import { outsider } from "./outsider.ts";
import type { Site } from "./site.ts";

type Fault = (site: Site, chance: Chance) => void;

const YEAR_MS = 365.25 * 86_400_000;

/** Mostly short, now and then long. */
const spell = (chance: Chance): number =>
  chance.pick([
    () => chance.between(200, 3_000),
    () => chance.between(2_000, 30_000),
    () => chance.between(20_000, 200_000),
  ])();

const node = (site: Site, chance: Chance): SimNode => chance.pick(site.nodes);

function later(site: Site, delayMs: number, undo: () => void): void {
  site.scheduler.after(delayMs, undo);
}

function cut(site: Site, chance: Chance, directions: readonly ("up" | "down")[]): void {
  const { link } = node(site, chance);
  for (const direction of directions) link.setOpen(direction, false);
  later(site, spell(chance), () => {
    for (const direction of directions) link.setOpen(direction, true);
  });
}

function reboot(site: Site, chance: Chance, one: SimNode): void {
  const off = spell(chance);
  if (chance.yes(0.4)) one.host.setWallErrorMs(-56 * YEAR_MS);
  later(site, off, () => one.boot(chance.between(500, 20_000)));
}

function withFaults(site: Site, chance: Chance, set: (faults: SimNode["engine"]["faults"]) => void): void {
  const one = node(site, chance);
  set(one.engine.faults);
  later(site, spell(chance), () => Object.assign(one.engine.faults, NO_FAULTS));
}

const edits =
  (what: (one: SimNode, container: SimContainer, chance: Chance) => void): Fault =>
  (site, chance) => {
    const one = node(site, chance);
    const own = [...one.machine.containers.values()].filter(
      ({ madeBy, status }) => madeBy === "agent" && status !== "removing",
    );
    if (own.length === 0 || !one.engine.isUp()) return;
    const container = chance.pick(own);
    site.trace.note("outsider", `touches ${container.name} on ${one.name}`);
    what(one, container, chance);
  };

const hasRenamed = ({ machine }: SimNode): boolean =>
  [...machine.containers.values()].some(
    ({ madeBy, name, labels }) => madeBy === "agent" && name !== labels[LABEL.name],
  );

export const FAULTS: Readonly<Record<string, Fault>> = {
  "hub killed"(site, chance) {
    site.hub.kill();
    later(site, spell(chance), site.hub.start);
  },
  "hub stopped"(site, chance) {
    site.hub.stop();
    later(site, 200 + spell(chance), site.hub.start);
  },
  "hub power cut"(site, chance) {
    site.hub.powerCut();
    later(site, spell(chance), site.hub.start);
  },
  "hub crash in a commit"(site, chance) {
    site.hub.crashAtCommit(chance.pick(["before", "after"]));
    later(site, spell(chance), site.hub.start);
  },
  "hub paused"(site, chance) {
    site.hub.pause();
    later(site, spell(chance), site.hub.resume);
  },
  "hub disk full"(site, chance) {
    site.hub.setDiskFull(true);
    later(site, spell(chance), () => site.hub.setDiskFull(false));
  },
  "hub clock jump"(site, chance) {
    site.hub.host.setWallErrorMs(chance.between(-50, 50) * YEAR_MS);
  },
  "agent killed"(site, chance) {
    const one = node(site, chance);
    one.killAgent();
    later(site, chance.exponential(6_000), one.startAgent);
  },
  "agent stopped"(site, chance) {
    const one = node(site, chance);
    one.stopAgent();
    later(site, 8_000 + chance.exponential(6_000), one.startAgent);
  },
  "agent crash in a commit"(site, chance) {
    const one = node(site, chance);
    one.crashAtCommit(chance.pick(["before", "after"]), false);
    later(site, spell(chance), one.startAgent);
  },
  "agent crash after a call"(site, chance) {
    const one = node(site, chance);
    one.crashAtMutation();
    later(site, spell(chance), one.startAgent);
  },
  "agent paused"(site, chance) {
    const process = node(site, chance).agent();
    process?.pause();
    later(site, spell(chance), () => process?.resume());
  },
  "node power cut"(site, chance) {
    const one = node(site, chance);
    one.powerCut();
    reboot(site, chance, one);
  },
  "node power cut in a commit"(site, chance) {
    const one = node(site, chance);
    one.crashAtCommit(chance.pick(["before", "after"]), true);
    reboot(site, chance, one);
  },
  "node clock jump"(site, chance) {
    node(site, chance).host.setWallErrorMs(chance.pick([-YEAR_MS, 10 * YEAR_MS, 600_000, -600_000, -56 * YEAR_MS]));
  },
  "site power cut"(site, chance) {
    site.hub.powerCut();
    later(site, spell(chance), site.hub.start);
    for (const one of site.nodes) {
      one.powerCut();
      reboot(site, chance, one);
    }
  },
  "ledger full"(site, chance) {
    const one = node(site, chance);
    one.setDisk("full");
    later(site, spell(chance), () => one.setDisk("ok"));
  },
  "ledger damaged"(site, chance) {
    const one = node(site, chance);
    // Without the ledger's record, a renamed container cannot be told from one with copied labels: it is left alone, by design.
    if (hasRenamed(one)) return;
    one.killAgent();
    one.disk.damage();
    site.history.ledgersLost.push({ atMs: site.scheduler.nowMs(), node: one.name });
    later(site, chance.exponential(6_000), one.startAgent);
  },
  "link cut": (site, chance) => cut(site, chance, ["up", "down"]),
  "link cut upwards": (site, chance) => cut(site, chance, ["up"]),
  "link cut downwards": (site, chance) => cut(site, chance, ["down"]),
  "all links cut"(site, chance) {
    for (const { link } of site.nodes) for (const direction of ["up", "down"] as const) link.setOpen(direction, false);
    later(site, spell(chance), () => {
      for (const { link } of site.nodes) for (const direction of ["up", "down"] as const) link.setOpen(direction, true);
    });
  },
  "link flaps"(site, chance) {
    const { link } = node(site, chance);
    for (let turn = 0; turn < 10; turn += 1) {
      later(site, turn * 4_000, () => link.setOpen("up", false));
      later(site, turn * 4_000 + chance.between(100, 3_900), () => link.setOpen("up", true));
    }
  },
  "link reset": (site, chance) => node(site, chance).link.reset(),
  "link forgets": (site, chance) => node(site, chance).link.forget(),
  "link slow"(site, chance) {
    const one = node(site, chance);
    one.link.setLatencyMs(300, 4_000);
    later(site, spell(chance), () => one.link.setLatencyMs(one.config.latencyMs.least, one.config.latencyMs.most));
  },
  "engine restart"(site, chance) {
    const one = node(site, chance);
    one.engine.down();
    later(site, chance.exponential(8_000), () => {
      if (one.host.powered() && !one.engine.isUp()) one.engine.up(one.config.liveRestore);
    });
  },
  "engine hangs"(site, chance) {
    const one = node(site, chance);
    one.engine.hang();
    later(site, spell(chance), one.engine.unhang);
  },
  "engine errors": (site, chance) =>
    withFaults(site, chance, (faults) => {
      faults.failure = 0.3;
      faults.notFound = 0.05;
    }),
  "engine answers lost": (site, chance) =>
    withFaults(site, chance, (faults) => {
      faults.lostAnswer = 0.3;
      faults.lostCall = 0.1;
    }),
  "engine slow": (site, chance) =>
    withFaults(site, chance, (faults) => {
      faults.slowness = 40;
    }),
  "engine events lost": (site, chance) =>
    withFaults(site, chance, (faults) => {
      faults.lostEvent = chance.pick([0.5, 1]);
    }),
  "registry down": (site, chance) =>
    withFaults(site, chance, (faults) => {
      faults.registryUp = false;
    }),
  "pulls break off": (site, chance) =>
    withFaults(site, chance, (faults) => {
      faults.pullFailure = 0.3;
    }),
  "container killed": edits((one, { id }) => one.machine.kill(id, "outside", 137)),
  "container removed": edits((one, { id }) => one.machine.remove(id, true, "outside", () => undefined)),
  "container renamed": edits((one, { id }, chance) => {
    // Not before the agent has written down that it is its own: see "ledger damaged".
    if (one.agent() !== null && one.disk.content().containers.has(id))
      one.machine.rename(id, `x-${chance.random.hex(3)}`, "outside");
  }),
  "container stopped": edits((one, { id }) => one.machine.stop(id, 1_000, "outside", () => undefined)),
  "container edited": edits((one, { id }, chance) => one.machine.edit(id, chance.int(1, 9) * 1_048_576, "outside")),
  "container sick": edits((one, { id }) => one.machine.sicken(id)),
  "network detached": edits((one, { id, networks }) => {
    const [first] = networks;
    if (first !== undefined) one.machine.disconnect(first, id, "outside");
  }),
  "image deleted"(site, chance) {
    const { machine } = node(site, chance);
    const images = [...machine.images.keys()];
    if (images.length > 0) machine.deleteImage(chance.pick(images));
  },
  "name squatted": (site, chance) => outsider.squatName(site, node(site, chance), chance),
  "port squatted": (site, chance) => outsider.squatPort(node(site, chance), chance),
  "label forged": (site, chance) => outsider.forgeLabels(node(site, chance), chance),
};

/** Plans the rough time of a seed on its scheduler. */
export function planFaults(site: Site, kinds: readonly string[], forMs: number): void {
  if (kinds.length === 0) return;
  const chance = site.chance("faults");
  // At most some hundred faults: in a long time they are rarer, and so is what follows from them.
  const mean = Math.max(chance.pick([3_000, 8_000, 20_000]), forMs / 150);
  for (let atMs = chance.exponential(mean); atMs < forMs; atMs += chance.exponential(mean)) {
    const kind = chance.pick(kinds);
    site.scheduler.after(atMs, () => {
      if (!site.rough()) return;
      site.trace.note("fault", kind);
      FAULTS[kind]?.(site, chance);
    });
  }
}

/** Each kind with a probability that is drawn per seed: few kinds show what many would hide. */
export function drawFaultKinds(chance: Chance): readonly string[] {
  const share = chance.pick([0.08, 0.2, 0.5]);
  return Object.keys(FAULTS).filter(() => chance.yes(share));
}

/** From here on everything works: links open, engines fast, disks writable, every process up, nobody meddles. */
export function healEverything(site: Site): void {
  site.trace.note("fault", "everything heals");
  site.setRough(false);
  site.hub.setDiskFull(false);
  site.hub.calm();
  // Only the expiry of join tokens goes by this clock, and people set it right when machines cannot join.
  site.hub.host.setWallErrorMs(0);
  site.hub.resume();
  for (const one of site.nodes) {
    one.link.setOpen("up", true);
    one.link.setOpen("down", true);
    one.link.setLatencyMs(one.config.latencyMs.least, one.config.latencyMs.most);
    one.engine.unhang();
    one.calm();
    Object.assign(one.engine.faults, NO_FAULTS);
    // Update windows go by it, and people set it right when one never opens.
    if (site.config.style.extras !== null) one.host.setWallErrorMs(0);
    one.setDisk("ok");
    one.agent()?.resume();
    outsider.leave(one);
    if (!one.host.powered()) one.boot(1_000);
    else if (!one.engine.isUp()) one.engine.up(one.config.liveRestore);
    one.startAgent();
  }
  site.hub.start();
}
