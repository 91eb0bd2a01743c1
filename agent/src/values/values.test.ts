// Secrets and configs on a node, on real folders: what comes from the hub, what lies on the disk, what containers get, and what goes.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import { defaultContainerSpec } from "@skerry/shared/model/container.ts";
import type { InstallationId, NodeId, SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import { defaultWorkloadExtras } from "@skerry/shared/model/plain.ts";
import { registryLoginText } from "@skerry/shared/model/registry-login.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { boxContext, valueKey } from "@skerry/shared/model/value-names.ts";
import { valueText } from "@skerry/shared/protocol/hub-word.ts";
import { boxKeyText } from "@skerry/shared/protocol/proof.ts";
import { systemClock } from "@skerry/shared/runtime/clock.ts";
import { jsonLog, silentLog } from "@skerry/shared/runtime/log.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { boxKeyOf, sealBox } from "@skerry/shared/runtime/sealed-box.ts";
import { isSignedBy, publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { filesWith, showsIn } from "../../../test/unit/canary.ts";
import { haveMemoryFolder } from "./memory-folder.ts";
import { Values } from "./values.ts";

const CANARY = "canary of the node";
const HUB_KEY = "5a".repeat(32);
const identity = {
  installation: "i0123456789abcdef" as InstallationId,
  node: "n0123456789abcdef" as NodeId,
  privateKey: "ab".repeat(32),
  hubKey: publicKeyOf(HUB_KEY),
};
const v = (digit: string): string => digit.repeat(32);
const ref = (digit: string, name = "db"): ValueRef => ({ kind: "secret", app: null, name, version: v(digit) });
const hash = (digit: string): SpecHash => digit.repeat(64) as SpecHash;

function workload(specHash: string, refs: readonly ValueRef[], previous: Workload | null = null): Workload {
  const files = refs.map((value, at) => ({ value, target: `/run/secrets/${at}`, mode: 0o440, uid: 0, gid: 0 }));
  return {
    ...defaultWorkloadExtras,
    ...{ id: "shop/web/1" as WorkloadId, app: "shop", service: "web", slot: "1", revision: 1, fencingToken: 0 },
    specHash: hash(specHash),
    spec: { ...defaultContainerSpec, image: "web", files: files.length === 0 ? null : files },
    disconnect: { policy: "keep" },
    changeOver: {
      ...defaultWorkloadExtras.changeOver,
      previous:
        previous === null ? null : { revision: 1, specHash: previous.specHash, spec: previous.spec, probes: null },
    },
    // The brands of the ids above are valid by sight.
  } as unknown as Workload;
}
const assignment = (...workloads: readonly Workload[]): Assignment =>
  ({
    ...identity,
    position: { epoch: 1, generation: 1 },
    hash: hash("0"),
    apps: [],
    workloads,
    retired: [],
  }) as unknown as Assignment;

let root = "";
/** What the ledger holds of keys that were given up. */
let former: readonly string[] = [];
const said: string[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "skerry-values-"));
  said.length = 0;
  former = [];
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const memory = async (path: string): Promise<string | null> => {
  mkdirSync(path, { recursive: true });
  return null;
};
const start = (haveMemory = memory, privateKey = identity.privateKey) =>
  new Values({
    clock: systemClock,
    log: jsonLog(
      (line) => said.push(line),
      () => 0,
      "debug",
    ),
    identity: () => ({ ...identity, privateKey, formerBoxKeys: former }),
    keepBoxKeys: (keys) => {
      former = keys;
      return true;
    },
    dataDir: join(root, "data"),
    runDir: join(root, "run"),
    haveMemory,
  });
const seal = (values: Values, to: ValueRef, text = CANARY): string =>
  sealBox(
    values.proof().boxKey,
    boxContext(identity.installation, identity.node, to),
    Buffer.from(text),
    systemRandom,
  ) ?? "";
const signed = (to: ValueRef, box: string): string => signText(HUB_KEY, valueText(identity, to, box));
const take = (values: Values, to: ValueRef, box = seal(values, to)): void => values.take(to, box, signed(to, box));
const look = (values: Values, desired: Assignment | null, own: Parameters<Values["look"]>[1] = []): Promise<void> =>
  values.look(desired, own, () => desired);
const rest = (): readonly string[] =>
  existsSync(join(root, "data/values")) ? readdirSync(join(root, "data/values")) : [];
const clear = (): readonly string[] =>
  existsSync(join(root, "run")) ? readdirSync(join(root, "run"), { recursive: true }).map(String) : [];

describe("secrets and configs on a node", () => {
  test("[K260] what the assignment names and is not here is lacking, and the key it asks with is signed by the node's own", () => {
    const values = start();
    const one = workload("1", [ref("a")], workload("2", [ref("b")]));
    expect(values.lacking(assignment(one)).map(valueKey).sort()).toEqual([valueKey(ref("a")), valueKey(ref("b"))]);
    expect([values.lacking(null), values.lacking(assignment(workload("1", [])))]).toEqual([[], []]);
    const { boxKey, signature } = values.proof();
    expect(isSignedBy(publicKeyOf(identity.privateKey), boxKeyText(identity, boxKey), signature)).toBe(true);
    take(values, ref("a"));
    expect(values.lacking(assignment(one))).toEqual([ref("b")]);
    expect(start().lacking(assignment(one))).toEqual([ref("b")]);
  });

  test("[K260] what comes while a look is under way, for an assignment that came then too, stays", async () => {
    const [held, next] = [assignment(workload("1", [ref("a")])), assignment(workload("2", [ref("b")]))];
    let now = held;
    const values: Values = start(async (folder) => {
      if (now === held) take(values, ref("b"));
      now = next;
      return await memory(folder);
    });
    take(values, ref("a"));
    await values.look(held, [], () => now);
    expect([values.lacking(next), values.lacking(held)]).toEqual([[], []]);
    await values.look(next, [], () => now);
    expect([values.lacking(next), values.lacking(held)]).toEqual([[], [ref("a")]]);
  });

  test("[N260] why its file cannot be made is the reason that its container is not", async () => {
    const values = start(async (folder) => {
      mkdirSync(join(folder, ".."), { recursive: true });
      // What stands in the folder's place takes no file, for root neither.
      writeFileSync(folder, "");
      return null;
    });
    take(values, ref("a"));
    const one = workload("1", [ref("a")]);
    await expect(values.mountsFor(one)).rejects.toThrow(/secret db could not be put into memory at .*(ENOTDIR|EEXIST)/);
    await look(values, assignment(one));
    expect(said.join()).toContain("files of a container are not there");
  });

  test("[G260] (H21) at rest it is sealed, for the owner's eyes, and the disk with another key opens nothing", async () => {
    const values = start();
    take(values, ref("a"));
    const [name = ""] = rest();
    const path = join(root, "data/values", name);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    for (const text of [
      CANARY,
      Buffer.from(CANARY).toString("base64").slice(0, 16),
      Buffer.from(CANARY).toString("hex"),
    ])
      expect(readFileSync(path, "utf8")).not.toContain(text);
    const thief = start(memory, "cd".repeat(32));
    expect(thief.lacking(assignment(workload("1", [ref("a")])))).toEqual([ref("a")]);
    expect(said.join()).not.toContain(CANARY);
  });

  test("[K261] what is not sealed for this node, this name or this version is not taken", () => {
    const values = start();
    const other = start(memory, "cd".repeat(32));
    for (const box of [seal(other, ref("a")), seal(values, ref("b")), "AAAA"]) {
      take(values, ref("a"), box);
      expect(values.here().here.size).toBe(0);
      expect(values.here().refused.get(valueKey(ref("a")))).toBe("what the hub gave is not sealed for this node");
    }
    expect(rest()).toEqual([]);
  });

  test("[N261] a container gets a file for each, read-only, with its mode, and by a path that says nothing", async () => {
    const values = start();
    const one = workload("1", [ref("a"), ref("b", "key")]);
    for (const each of [ref("a"), ref("b", "key")]) take(values, each, seal(values, each, each.name));
    const mounts = await values.mountsFor(one);
    expect(mounts).toMatchObject([
      { kind: "bind", target: "/run/secrets/0", readOnly: true, createHostPath: false },
      { kind: "bind", target: "/run/secrets/1", readOnly: true, createHostPath: false },
    ]);
    const sources = mounts.map((mount) => (mount.kind === "bind" ? mount.source : ""));
    expect(sources.map((source) => readFileSync(source, "utf8"))).toEqual(["db", "key"]);
    expect(statSync(sources[0] ?? "").mode & 0o777).toBe(0o440);
    expect(sources.join()).not.toMatch(/db|key/);
    // The same container again, by a restarted agent, is left alone.
    const before = statSync(sources[0] ?? "").ino;
    const again = start();
    await look(again, assignment(one));
    expect(statSync(sources[0] ?? "").ino).toBe(before);
  });

  test("[N262] after a reboot without a hub the files are there again before anything is planned, also of a container that is wanted no more", async () => {
    const values = start();
    const [old, next] = [workload("1", [ref("a")]), workload("2", [ref("b")])];
    take(values, ref("a"));
    const [mount] = await values.mountsFor(old);
    rmSync(join(root, "run"), { recursive: true });
    const rebooted = start();
    await look(rebooted, assignment(next), [{ workload: old.id, specHash: old.specHash }]);
    expect(mount?.kind === "bind" ? readFileSync(mount.source, "utf8") : "").toBe(CANARY);
  });

  test("[N263] what no container and no assignment needs is wiped, in memory and at rest; without an assignment nothing is", async () => {
    const values = start();
    const one = workload("1", [ref("a")]);
    take(values, ref("a"));
    await values.mountsFor(one);
    await look(values, null);
    await look(values, assignment(), [{ workload: one.id, specHash: one.specHash }]);
    expect([rest().length, clear().length > 1]).toEqual([2, true]);
    await look(values, assignment());
    expect(rest()).toEqual([]);
    expect(clear().filter((name) => name.includes("/"))).toEqual([]);
    expect(values.lacking(assignment(one))).toEqual([ref("a")]);
  });

  test("[N264] where no memory is to be had nothing is written in clear, and it is said what to do", async () => {
    const values = start(async () => "it is on a disk");
    const one = workload("1", [ref("a")]);
    take(values, ref("a"));
    await look(values, assignment(one));
    expect(values.here().trouble).toContain("run the agent as root, or with a --run-dir on a tmpfs");
    await expect(values.mountsFor(one)).rejects.toThrow("not written to a disk");
    expect(clear()).toEqual([]);
  });

  test("[N350] what lies under a key that was given up opens, offline and after a reboot, and is wanted anew; then that key is forgotten", async () => {
    const before = start();
    const one = workload("1", [ref("a"), ref("b", "key")]);
    for (const each of [ref("a"), ref("b", "key")]) take(before, each);
    const mounts = await before.mountsFor(one);
    const content = (): readonly string[] =>
      mounts.map((mount) =>
        mount.kind === "bind" && existsSync(mount.source) ? readFileSync(mount.source, "utf8") : "",
      );
    former = [boxKeyOf(identity.privateKey)];
    const after = start(memory, "cd".repeat(32));
    const all = [valueKey(ref("a")), valueKey(ref("b", "key"))];
    expect([...after.here().here].sort()).toEqual(all);
    expect(after.lacking(assignment(one)).map(valueKey).sort()).toEqual(all);
    rmSync(join(root, "run"), { recursive: true });
    const rebooted = start(memory, "cd".repeat(32));
    await look(rebooted, assignment(one));
    expect(content()).toEqual([CANARY, CANARY]);
    take(rebooted, ref("a"));
    expect([former.length, rebooted.lacking(assignment(one))]).toEqual([1, [ref("b", "key")]]);
    take(rebooted, ref("b", "key"));
    expect([former, rebooted.lacking(assignment(one))]).toEqual([[], []]);
    rmSync(join(root, "run"), { recursive: true });
    await look(start(memory, "cd".repeat(32)), assignment(one));
    expect(content()).toEqual([CANARY, CANARY]);
  });

  test("[N350] the same process opens old and new from the moment that its key changes", async () => {
    let privateKey = identity.privateKey;
    const values = new Values({
      ...{ clock: systemClock, log: silentLog, dataDir: join(root, "data"), runDir: join(root, "run") },
      identity: () => ({ ...identity, privateKey, formerBoxKeys: former }),
      keepBoxKeys: (keys) => {
        former = keys;
        return true;
      },
      haveMemory: memory,
    });
    const one = workload("1", [ref("a")]);
    take(values, ref("a"));
    expect(values.here().here.size).toBe(1);
    former = [boxKeyOf(privateKey)];
    privateKey = "cd".repeat(32);
    expect([values.here().here.size, values.lacking(assignment(one))]).toEqual([1, [ref("a")]]);
    expect(
      isSignedBy(publicKeyOf(privateKey), boxKeyText(identity, values.proof().boxKey), values.proof().signature),
    ).toBe(true);
    const [mount] = await values.mountsFor(one);
    expect(mount?.kind === "bind" ? readFileSync(mount.source, "utf8") : "").toBe(CANARY);
  });

  test("[N350] a former key is forgotten without values, too, and kept when that could not be written", async () => {
    const values = start();
    former = ["ef".repeat(32)];
    await look(values, assignment());
    expect(former).toEqual([]);
  });

  test("[G351] a box that somebody put on the disk, sealed for this node and not signed by its hub, is not opened", async () => {
    const values = start();
    const one = workload("1", [ref("a")]);
    take(values, ref("a"));
    const path = join(root, "data/values", rest()[0] ?? "");
    const held = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...held, box: seal(values, ref("a"), "evil") }));
    const again = start();
    await expect(again.mountsFor(one)).rejects.toThrow("secret db is not on this node");
    expect(again.lacking(assignment(one))).toEqual([ref("a")]);
  });

  test("[G261] a box that was damaged on the disk is asked for again", async () => {
    const values = start();
    const one = workload("1", [ref("a")]);
    take(values, ref("a"));
    const path = join(root, "data/values", rest()[0] ?? "");
    writeFileSync(path, readFileSync(path, "utf8").replace(/"box":"..../, '"box":"AAAA'));
    const again = start();
    await expect(again.mountsFor(one)).rejects.toThrow("secret db is not on this node");
    expect(again.lacking(assignment(one))).toEqual([ref("a")]);
    writeFileSync(join(root, "data/values", "x.box"), "{");
    expect(start().lacking(assignment(one))).toEqual([ref("a")]);
  });

  test("[N264] a folder in memory is used as it is", async () => {
    const { mode } = statSync("/dev/shm", { throwIfNoEntry: false }) ?? {};
    if (mode === undefined) return;
    const folder = mkdtempSync("/dev/shm/skerry-values-");
    expect(await haveMemoryFolder(join(folder, "x"))).toBeNull();
    rmSync(folder, { recursive: true });
  });

  test("[N265] a node without any writes nothing and keeps no folder", async () => {
    const values = start();
    await look(values, assignment(workload("1", [])));
    expect([existsSync(join(root, "data")), existsSync(join(root, "run"))]).toEqual([false, false]);
  });
});

describe("registry credentials", () => {
  const login = { user: "farm", password: CANARY };
  const credential = (digit: string): ValueRef => ({
    kind: "registry",
    app: null,
    name: "r.test:5000",
    version: v(digit),
  });
  const wanting = (...refs: readonly ValueRef[]): Assignment =>
    // The brand of the app's name is valid by sight.
    ({
      ...assignment(),
      apps: [{ name: "shop", networks: [], volumes: [], registries: refs }],
    }) as unknown as Assignment;

  test("[C275] one is asked for, lies sealed on the disk alone, and is opened for a pull, also after a restart", async () => {
    const values = start();
    const ref = credential("1");
    expect(values.lacking(wanting(ref))).toEqual([ref]);
    take(values, ref, seal(values, ref, registryLoginText(login)));
    await look(values, wanting(ref));
    expect([values.lacking(wanting(ref)), values.registryLogin(ref)]).toEqual([[], login]);
    expect(filesWith([CANARY], root)).toEqual([]);
    // Files alone have a place in memory.
    expect(clear()).toEqual([]);
    const again = start();
    await look(again, wanting(ref));
    expect(again.registryLogin(ref)).toEqual(login);
    expect(said.some((line) => showsIn(CANARY, line))).toBe(false);
  });

  test("[C275] what no app's assignment names any more is wiped; without an assignment nothing is", async () => {
    const values = start();
    const [first, second] = [credential("1"), credential("2")];
    take(values, first, seal(values, first, registryLoginText(login)));
    await look(values, null);
    expect(values.registryLogin(first)).toEqual(login);
    await look(values, wanting(second));
    expect([values.registryLogin(first), values.lacking(wanting(second))]).toEqual([null, [second]]);
    expect(rest()).toEqual([]);
  });

  test("[C275] one that was damaged on the disk is asked for again", async () => {
    const values = start();
    const ref = credential("1");
    take(values, ref, seal(values, ref, registryLoginText(login)));
    const [name = ""] = rest();
    const path = join(root, "data/values", name);
    const stored = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...stored, box: `${stored.box.slice(0, -8)}AAAAAAA=` }));
    expect(values.registryLogin(ref)).toBeNull();
    expect(values.lacking(wanting(ref))).toEqual([ref]);
  });
});
