// What every engine must do, as a suite over a way to make one. Run against real Docker and against the simulated engine: a fake that is
// not held to this would rot into a poor copy. It looks at the engine through the interface alone, and acts as an outsider only
// through `outside`.
import {
  type ContainerDetails,
  type ContainerSummary,
  type Engine,
  EngineError,
  type EngineErrorKind,
  type EngineEvent,
  type LogLine,
  type LogOptions,
} from "@skerry/agent/engine/engine.ts";
import type { AppNetwork, AppVolume } from "@skerry/shared/model/app.ts";
import { type ContainerSpec, defaultContainerSpec, type NetworkAttachment } from "@skerry/shared/model/container.ts";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

/**
 * How a container's process behaves. steady: runs until it is told to stop, and obeys at once. stubborn: ignores the stop signal.
 * talks: as steady, and writes "one" and "three", and "two" to the other output. exits-0, exits-1: ends by itself within a second. oom: is killed at its memory limit. no-command: cannot be started.
 */
export type Playing = "steady" | "stubborn" | "exits-0" | "exits-1" | "oom" | "no-command" | "talks";

export interface EngineUnderTest {
  readonly engine: Engine;
  /** An image and whatever else makes a container behave so. The image is there locally. */
  playing(how: Playing): Pick<ContainerSpec, "image"> & Partial<ContainerSpec>;
  /** Spec fields of a health check that ends so within seconds on a steady container. */
  healthTurns(to: "healthy" | "unhealthy"): Partial<ContainerSpec>;
  /** Lets time pass, real or simulated, until the condition holds; rejects after half a minute. */
  until(what: string, condition: () => Promise<boolean>): Promise<void>;
  readonly outside: {
    kill(containerId: string): Promise<void>;
    /** `docker update --memory`. */
    setMemory(containerId: string, bytes: number): Promise<void>;
    disconnect(network: string, containerId: string): Promise<void>;
  };
  close(): Promise<void>;
}

/** A port that no test machine uses, for the conflict over it. */
const PORT = 39_871;
const MEMORY_BYTES = 64 * 1_048_576;
const PREFIX = "contract";

export function engineContract(name: string, make: () => Promise<EngineUnderTest>): void {
  describe(`engine: ${name}`, () => {
    let site: EngineUnderTest;
    let engine: Engine;
    let count = 0;
    beforeAll(async () => {
      site = await make();
      engine = site.engine;
    });
    afterAll(async () => await site?.close());
    afterEach(async () => {
      for (const one of await engine.listContainers()) {
        if (one.name.startsWith(PREFIX)) await engine.removeContainer(one.id, true).catch(unlessGone);
      }
      for (const one of await engine.listNetworks()) {
        if (one.name.startsWith(PREFIX)) await engine.removeNetwork(one.id).catch(unlessGone);
      }
    });

    const freshName = (): string => `${PREFIX}-${++count}`;
    const create = (how: Playing, more: Partial<ContainerSpec> = {}, containerName = freshName()): Promise<string> => {
      const spec: ContainerSpec = { ...defaultContainerSpec, networkMode: "none", ...site.playing(how), ...more };
      return engine.createContainer({ name: containerName, spec, labels: {}, environment: {} });
    };
    const run = async (how: Playing, more: Partial<ContainerSpec> = {}): Promise<string> => {
      const id = await create(how, more);
      await engine.startContainer(id);
      return id;
    };
    const ended = async (id: string): Promise<ContainerDetails> => {
      await site.until("it ends", async () => (await engine.inspectContainer(id)).status === "exited");
      return await engine.inspectContainer(id);
    };
    const summary = async (id: string): Promise<ContainerSummary | undefined> =>
      (await engine.listContainers()).find((one) => one.id === id);
    const makeNetwork = async (): Promise<string> => {
      const engineName = freshName();
      await engine.createNetwork(network(engineName), { "io.skerry.app": "shop" });
      return engineName;
    };

    test("[E1] it answers, and says what it is in Docker's words", async () => {
      await engine.ping();
      const facts = await engine.facts();
      expect(facts.version).not.toBe("");
      expect(facts.apiVersion).toMatch(/^1\.\d+$/);
      expect(facts.arch).toMatch(/^(amd64|arm64|arm)$/);
      expect(facts.cores).toBeGreaterThan(0);
      expect(facts.memoryBytes).toBeGreaterThan(0);
      expect(await engine.facts()).toEqual(facts);
    });

    test("[E2] a container is created stopped, starts, stops, starts again and is removed", async () => {
      const id = await create("steady");
      expect(await engine.inspectContainer(id)).toMatchObject({ id, status: "created", ranMs: null, pid: 0 });
      await engine.startContainer(id);
      const first = await engine.inspectContainer(id);
      expect(first).toMatchObject({ status: "running", health: "none" });
      expect(first.ranMs).toBeGreaterThanOrEqual(0);
      expect(first.pid).toBeGreaterThan(0);
      await engine.stopContainer(id, 5_000);
      expect(await engine.inspectContainer(id)).toMatchObject({ status: "exited", startedAt: first.startedAt });
      await engine.startContainer(id);
      expect((await engine.inspectContainer(id)).startedAt).not.toBe(first.startedAt);
      await engine.removeContainer(id, true);
      await expectKind(engine.inspectContainer(id), "not-found");
      expect(await summary(id)).toBeUndefined();
    });

    test("[E3] starting what runs and stopping what does not are no errors and change nothing", async () => {
      const id = await run("steady");
      const before = await engine.inspectContainer(id);
      await engine.startContainer(id);
      expect(await engine.inspectContainer(id)).toMatchObject({ startedAt: before.startedAt, pid: before.pid });
      await engine.stopContainer(id, 5_000);
      await engine.stopContainer(id, 5_000);
      expect((await engine.inspectContainer(id)).status).toBe("exited");
      await engine.stopContainer(await create("steady"), 5_000);
    });

    test("[E4] calls for a container that is not there fail as not-found", async () => {
      const nobody = "f".repeat(64);
      await expectKind(engine.inspectContainer(nobody), "not-found");
      await expectKind(engine.startContainer(nobody), "not-found");
      await expectKind(engine.stopContainer(nobody, 1_000), "not-found");
      await expectKind(engine.removeContainer(nobody, true), "not-found");
      await expectKind(engine.renameContainer(nobody, freshName()), "not-found");
      await expectKind(engine.removeNetwork(nobody), "not-found");
    });

    test("[E5] an image that is not there locally: inspect says null, create fails as not-found, and no registry is asked", async () => {
      const image = "skerry-contract/nowhere:1";
      expect(await engine.inspectImage(image)).toBeNull();
      await expectKind(create("steady", { image }), "not-found");
    });

    test("[E6] an image that is there has an id and an architecture", async () => {
      const { image } = site.playing("steady");
      const found = await engine.inspectImage(image);
      expect(found?.id).not.toBe("");
      expect(found?.arch).toBe((await engine.facts()).arch);
      const id = await create("steady");
      expect((await summary(id))?.imageId).toBe(found?.id);
    });

    test("[E7] a pull that cannot succeed fails as retry, and one that is cancelled ends", async () => {
      const none = new AbortController();
      const pull = engine.pullImage("127.0.0.1:1/nowhere:1", null, null, () => undefined, none.signal);
      await expectKind(pull, "retry");
      const cancelled = new AbortController();
      cancelled.abort();
      await expectKind(
        engine.pullImage("127.0.0.1:1/nowhere:1", null, null, () => undefined, cancelled.signal),
        "retry",
      );
    });

    test("[E8] the list shows every container, with its name, state, labels and health", async () => {
      const labels = { "io.skerry.app": "shop", other: 'text with = and " in it' };
      const spec = {
        ...defaultContainerSpec,
        networkMode: "none" as const,
        ...site.playing("steady"),
        labels: { own: "1", other: "lost" },
      };
      const named = freshName();
      const id = await engine.createContainer({ name: named, spec, labels, environment: {} });
      expect(await summary(id)).toMatchObject({
        id,
        name: named,
        status: "created",
        health: "none",
        publishedPorts: [],
      });
      expect((await summary(id))?.labels).toMatchObject({ ...labels, own: "1" });
      await engine.startContainer(id);
      expect((await summary(id))?.status).toBe("running");
      await engine.stopContainer(id, 5_000);
      // Docker 26 (Debian 13) answers the stop a moment before its list knows of it.
      await site.until("the list shows the end", async () => (await summary(id))?.status === "exited");
    });

    test.each([
      ["exits-0", 0],
      ["exits-1", 1],
    ] as const)("[E9] a container that %s shows its code and how long it ran", async (how, exitCode) => {
      const details = await ended(await run(how));
      expect(details).toMatchObject({ status: "exited", exitCode, oomKilled: false, pid: 0 });
      expect(details.ranMs).toBeGreaterThanOrEqual(0);
      expect(details.ranMs).toBeLessThan(30_000);
    });

    test("[E10] a container that the kernel killed at its memory limit says so", async () => {
      const details = await ended(await run("oom", { memoryBytes: 16 * 1_048_576, memorySwapBytes: 16 * 1_048_576 }));
      expect(details).toMatchObject({ oomKilled: true, exitCode: 137 });
    });

    test("[E11] a container that was killed from outside ends with 137 and is not restarted by the engine", async () => {
      const id = await run("steady", { restart: { ...defaultContainerSpec.restart, policy: "always" } });
      await site.outside.kill(id);
      const details = await ended(id);
      expect(details).toMatchObject({ exitCode: 137, oomKilled: false });
      expect(details.limits.restartPolicy).toBe("no");
    });

    test("[E12] a process that ignores the stop signal is killed after the grace", async () => {
      const id = await run("stubborn");
      await engine.stopContainer(id, 1_000);
      expect(await engine.inspectContainer(id)).toMatchObject({ status: "exited", exitCode: 137 });
    });

    test("[E13] a command that does not exist fails at the start, may be tried again, and leaves a container that shows why", async () => {
      const id = await create("no-command");
      await expectKind(engine.startContainer(id), "retry");
      expect(await engine.inspectContainer(id)).toMatchObject({ exitCode: 127, ranMs: null });
    });

    test.each(["healthy", "unhealthy"] as const)("[E14] a health check starts as starting and turns %s", async (to) => {
      const id = await run("steady", site.healthTurns(to));
      expect((await engine.inspectContainer(id)).health).toMatch(/starting|healthy/);
      await site.until(`it is ${to}`, async () => (await summary(id))?.health === to);
      expect((await engine.inspectContainer(id)).health).toBe(to);
    });

    test("[E15] a name is given once: a second container with it is a conflict", async () => {
      const named = freshName();
      const first = await create("steady", {}, named);
      await expectKind(create("steady", {}, named), "conflict");
      await engine.removeContainer(first, false);
      await create("steady", {}, named);
    });

    test("[E16] renaming takes effect, and a name that is taken is a conflict", async () => {
      const id = await create("steady");
      const other = freshName();
      await create("steady", {}, other);
      const renamed = freshName();
      await engine.renameContainer(id, renamed);
      expect((await summary(id))?.name).toBe(renamed);
      await expectKind(engine.renameContainer(id, other), "conflict");
    });

    test("[E17] a published port shows in the list while it runs; a second container that wants it is a conflict at its start", async () => {
      const ports = [{ hostPort: PORT, containerPort: 80, protocol: "tcp" as const, hostIp: "127.0.0.1" }];
      const first = await run("steady", { networkMode: "bridge", ports });
      expect((await summary(first))?.publishedPorts).toEqual([{ port: PORT, protocol: "tcp", hostIp: "127.0.0.1" }]);
      const second = await create("steady", { networkMode: "bridge", ports });
      await expectKind(engine.startContainer(second), "conflict");
      await engine.stopContainer(first, 5_000);
      await engine.startContainer(second);
      expect((await engine.inspectContainer(second)).status).toBe("running");
    });

    test("[E18] removing what runs is a conflict without force, and succeeds with it", async () => {
      const id = await run("steady");
      await expectKind(engine.removeContainer(id, false), "conflict");
      await engine.removeContainer(id, true);
      expect(await summary(id)).toBeUndefined();
    });

    test("[E19] a network is made with its labels, once; what is attached to it shows there; in use it cannot be removed", async () => {
      const first = await makeNetwork();
      const second = await makeNetwork();
      await expectKind(engine.createNetwork(network(first), {}), "conflict");
      const found = (await engine.listNetworks()).find(({ name: one }) => one === first);
      expect(found?.labels).toMatchObject({ "io.skerry.app": "shop" });
      const networks = [attachment(first, ["web"]), attachment(second, ["web", "www"])];
      const id = await run("steady", { networkMode: "networks", networks });
      expect((await summary(id))?.networks).toEqual([first, second].sort());
      await expectKind(engine.removeNetwork(found?.id ?? ""), "conflict");
      await engine.removeContainer(id, true);
      await engine.removeNetwork(found?.id ?? "");
      expect((await engine.listNetworks()).map(({ name: one }) => one)).not.toContain(first);
    });

    test("[E20] a container that was taken off a network from outside shows it, and is connected again", async () => {
      const named = await makeNetwork();
      const id = await run("steady", { networkMode: "networks", networks: [attachment(named, ["web"])] });
      await site.outside.disconnect(named, id);
      expect((await summary(id))?.networks).not.toContain(named);
      await engine.connectNetwork(named, id, { aliases: ["web"], ipv4Address: null, ipv6Address: null });
      expect((await summary(id))?.networks).toContain(named);
      expect((await engine.inspectContainer(id)).status).toBe("running");
    });

    test("[E83] a container shows the aliases under which it is found, and is given others without a restart", async () => {
      const [named, other] = [await makeNetwork(), await makeNetwork()];
      const networks = [attachment(named, ["web", "www"]), attachment(other, [])];
      const id = await run("steady", { networkMode: "networks", networks });
      const before = await engine.inspectContainer(id);
      const endpoints = (await summary(id))?.endpoints;
      const found = async (): Promise<Record<string, string[]>> => {
        const { aliases } = await engine.inspectContainer(id);
        // An engine may add the container's own id.
        const own = (all: readonly string[]): string[] => all.filter((alias) => !id.startsWith(alias)).sort();
        return Object.fromEntries(Object.entries(aliases).map(([network, all]) => [network, own(all)]));
      };
      expect(await found()).toEqual({ [named]: ["web", "www"], [other]: [] });
      await engine.changeAliases(named, id, { aliases: [], pinned: true });
      expect(await found()).toEqual({ [named]: [], [other]: [] });
      const between = (await summary(id))?.endpoints;
      expect(between).not.toEqual(endpoints);
      await engine.changeAliases(named, id, { aliases: ["web"], pinned: false });
      expect(await found()).toEqual({ [named]: ["web"], [other]: [] });
      expect((await summary(id))?.endpoints).not.toEqual(between);
      expect(await engine.inspectContainer(id)).toMatchObject({ status: "running", startedAt: before.startedAt });
      await site.outside.disconnect(named, id);
      await engine.changeAliases(named, id, { aliases: ["back"], pinned: true });
      expect(await found()).toEqual({ [named]: ["back"], [other]: [] });
      await expectKind(engine.changeAliases(named, "0123456789ab", { aliases: [], pinned: false }), "not-found");
    });

    test("[E21] a volume is made with its labels, making it again changes nothing, and it outlives its container", async () => {
      const engineName = freshName();
      await engine.createVolume(volume(engineName), { "io.skerry.app": "shop" });
      await engine.createVolume(volume(engineName), { "io.skerry.app": "other" });
      const mount = {
        kind: "volume" as const,
        source: engineName,
        target: "/data",
        readOnly: false,
        noCopy: false,
        subpath: null,
      };
      const id = await run("steady", { mounts: [mount] });
      await engine.removeContainer(id, true);
      const found = (await engine.listVolumes()).find(({ name: one }) => one === engineName);
      expect(found?.labels).toMatchObject({ "io.skerry.app": "shop" });
    });

    test("[E22] the limits that were asked for show in the details, and an edit from outside shows as another", async () => {
      const id = await run("steady", {
        memoryBytes: MEMORY_BYTES,
        nanoCpus: 500_000_000,
        cpuShares: 512,
        pidsLimit: 50,
      });
      const limits = {
        memoryBytes: MEMORY_BYTES,
        nanoCpus: 500_000_000,
        cpuShares: 512,
        pidsLimit: 50,
        restartPolicy: "no",
      };
      expect((await engine.inspectContainer(id)).limits).toEqual(limits);
      await site.outside.setMemory(id, 2 * MEMORY_BYTES);
      expect((await engine.inspectContainer(id)).limits).toEqual({ ...limits, memoryBytes: 2 * MEMORY_BYTES });
      const none = { memoryBytes: 0, nanoCpus: 0, cpuShares: 0, pidsLimit: null, restartPolicy: "no" };
      expect((await engine.inspectContainer(await create("steady"))).limits).toEqual(none);
    });

    test("[E23] a watcher hears of what happens to containers and networks, until it is closed, and then of nothing", async () => {
      const heard: EngineEvent[] = [];
      let ends = 0;
      const watch = engine.watch(
        (event) => heard.push(event),
        () => {
          ends += 1;
        },
      );
      const hears = (action: string, id: string): Promise<boolean> =>
        Promise.resolve(
          heard.some((event) => event.kind === "container" && event.action === action && event.id === id),
        );
      // The stream begins a moment after it was asked for: something is made until it is heard of.
      await site.until("the stream has begun", async () => {
        await engine.removeContainer(await create("steady"), true);
        return heard.length > 0;
      });
      const id = await run("steady");
      await site.until("start is heard", () => hears("start", id));
      await site.outside.kill(id);
      await site.until("die is heard", () => hears("die", id));
      await engine.removeContainer(id, true);
      await site.until("destroy is heard", () => hears("destroy", id));
      watch.close();
      const before = heard.length;
      await ended(await run("exits-0"));
      expect(heard).toHaveLength(before);
      expect(ends).toBe(0);
    });

    test("[E56] the last lines of a container are read after its end, oldest first and within bounds", async () => {
      const id = await run("exits-1", { logging: { driver: "json-file", options: {} } });
      await ended(id);
      expect([...(await engine.tail(id, 50, 8_192))].sort()).toEqual(["first", "second"]);
      expect(await engine.tail(id, 1, 8_192)).toHaveLength(1);
      await expectKind(engine.tail("0".repeat(64), 50, 8_192), "not-found");
    });

    test("[E57] a command runs inside a container that runs, and its exit code and output come back", async () => {
      const id = await run("steady");
      const never = new AbortController().signal;
      expect(await engine.exec(id, ["echo", "hello", "there"], never)).toEqual({
        exitCode: 0,
        output: "hello there\n",
      });
      expect(await engine.exec(id, ["false"], never)).toMatchObject({ exitCode: 1 });
      await engine.stopContainer(id, 1_000);
      await expectKind(engine.exec(id, ["echo"], never), "conflict");
    });

    const readLog = async (id: string, options: Partial<LogOptions> = {}): Promise<LogLine[]> => {
      const lines: LogLine[] = [];
      const never = new AbortController().signal;
      const all = { follow: false, tail: null, since: null, ...options };
      for await (const line of engine.logs(id, all, never)) lines.push(line);
      return lines;
    };

    test("[E58] a container's log comes line by line, with output and stamp, from the end or from a stamp on", async () => {
      const id = await run("talks");
      await site.until("it has written", async () => (await readLog(id)).length >= 3);
      const lines = await readLog(id);
      const of = (stream: string): string[] => lines.filter((one) => one.stream === stream).map(({ text }) => text);
      expect(of("stdout")).toEqual(["one", "three"]);
      expect(of("stderr")).toEqual(["two"]);
      expect(lines.every(({ more }) => !more)).toBe(true);
      for (const { at } of lines) expect(at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
      expect(await readLog(id, { tail: 1 })).toHaveLength(1);
      const newest =
        lines
          .map(({ at }) => at)
          .sort()
          .at(-1) ?? "";
      expect((await readLog(id, { since: newest })).map(({ at }) => at)).toEqual([newest]);
      await expectKind(readLog("f".repeat(64)), "not-found");
    });

    test("[E59] a followed log goes on until its container ends, or until nobody wants it", async () => {
      const id = await run("talks");
      const following = readLog(id, { follow: true });
      await site.until("it has written", async () => (await readLog(id)).length >= 3);
      const unwanted = new AbortController();
      let seen = 0;
      for await (const _line of engine.logs(id, { follow: true, tail: null, since: null }, unwanted.signal)) {
        seen += 1;
        if (seen === 3) unwanted.abort();
      }
      expect(seen).toBe(3);
      await engine.stopContainer(id, 5_000);
      expect(await following).toHaveLength(3);
    });

    test("[E24] a health check that turns is an event", async () => {
      const heard: EngineEvent[] = [];
      const watch = engine.watch(
        (event) => heard.push(event),
        () => undefined,
      );
      await site.until("the stream has begun", async () => {
        await engine.removeContainer(await create("steady"), true);
        return heard.length > 0;
      });
      const id = await run("steady", site.healthTurns("unhealthy"));
      await site.until("it is heard", () =>
        Promise.resolve(heard.some((event) => event.id === id && event.action.startsWith("health_status"))),
      );
      watch.close();
    });
  });
}

async function expectKind(call: Promise<unknown>, kind: EngineErrorKind): Promise<void> {
  const error: unknown = await call.then(
    () => "no error",
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EngineError);
  expect(error).toMatchObject({ kind });
}

function unlessGone(error: unknown): void {
  if (error instanceof EngineError && (error.kind === "not-found" || error.kind === "conflict")) return;
  throw error;
}

function network(engineName: string): AppNetwork {
  return {
    key: "default",
    engineName,
    external: false,
    driver: null,
    driverOptions: {},
    internal: false,
    attachable: false,
    enableIpv6: false,
    ipam: null,
    labels: {},
  };
}

function volume(engineName: string): AppVolume {
  return { key: "data", engineName, external: false, driver: null, driverOptions: {}, labels: {} };
}

function attachment(name: string, aliases: string[]): NetworkAttachment {
  const none = { ipv4Address: null, ipv6Address: null, macAddress: null, linkLocalIps: [], priority: null };
  return { network: name, aliases, ...none };
}
