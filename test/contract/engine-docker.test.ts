// Docker keeps the contract, on a real engine of the lab; and what only a real one can show: that each field of a spec takes effect
// inside the container, and what is said when the engine is gone, hangs or is not to be reached.
import { readFile } from "node:fs/promises";
import { dockerEngine } from "@skerry/agent/engine/docker.ts";
import { type Engine, EngineError, type LogLine } from "@skerry/agent/engine/engine.ts";
import { type ContainerSpec, defaultContainerSpec } from "@skerry/shared/model/container.ts";
import { systemClock } from "@skerry/shared/runtime/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BASE } from "../lab/images.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { until } from "../lab/wait.ts";
import { type EngineUnderTest, engineContract, type Playing } from "./engine.ts";

const SOON_MS = 30_000;
/** A shell that obeys the stop signal at once. */
const STEADY = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
const SCRIPTS: Readonly<Record<Exclude<Playing, "no-command">, string>> = {
  steady: STEADY,
  stubborn: "trap '' TERM; while :; do sleep 0.1; done",
  talks: `echo one; echo two >&2; echo three; ${STEADY}`,
  "exits-0": "exit 0",
  "exits-1": "echo first; echo second >&2; exit 1",
  // The shell keeps all of it in a variable.
  oom: "exec awk 'BEGIN { while (1) text = text text \"0123456789abcdef\" }'",
};

const shell = (script: string): Pick<ContainerSpec, "image"> & Partial<ContainerSpec> => ({
  image: BASE.name,
  entrypoint: ["/bin/sh", "-c"],
  command: [script],
  stopGraceMs: 1_000,
});

async function realEngine(): Promise<EngineUnderTest> {
  const lab = await startLab({ nodes: 1 });
  const { api, socketPath } = lab.node(1).engine;
  return {
    engine: dockerEngine({ socketPath, clock: systemClock }),
    playing: (how) =>
      how === "no-command" ? { image: BASE.name, entrypoint: ["/nowhere"], command: [] } : shell(SCRIPTS[how]),
    healthTurns: (to) => ({
      healthcheck: {
        test: ["CMD-SHELL", to === "healthy" ? "exit 0" : "echo not well; exit 1"],
        ...{ intervalMs: 500, timeoutMs: 5_000, startPeriodMs: 0, startIntervalMs: null, retries: 1 },
      },
    }),
    until: async (what, condition) => {
      await until(what, condition, SOON_MS);
    },
    outside: {
      kill: (id) => api.kill(id),
      setMemory: async (id, bytes) => {
        await api.call("POST", `/containers/${id}/update`, { Memory: bytes, MemorySwap: 2 * bytes });
      },
      disconnect: async (network, id) => {
        await api.call("POST", `/networks/${network}/disconnect`, { Container: id, Force: true });
      },
    },
    close: async () => await lab[Symbol.asyncDispose](),
  };
}

engineContract("Docker", realEngine);

describe("engine: Docker alone", () => {
  let lab: Lab;
  let engine: Engine;
  let count = 0;
  beforeAll(async () => {
    lab = await startLab({ nodes: 1 });
    engine = dockerEngine({ socketPath: lab.node(1).engine.socketPath, clock: systemClock });
  });
  afterAll(async () => await lab?.[Symbol.asyncDispose]());

  /** Runs a script with these fields and gives back its exit code. */
  async function codeOf(script: string, more: Partial<ContainerSpec>): Promise<number> {
    const spec = { ...defaultContainerSpec, networkMode: "none" as const, ...shell(script), ...more };
    const id = await engine.createContainer({
      ...{ name: `alone-${++count}`, spec, labels: {} },
      environment: { SKERRY_FENCING_TOKEN: "7" },
    });
    await engine.startContainer(id);
    await until("it ends", async () => (await engine.inspectContainer(id)).status === "exited", SOON_MS);
    const { exitCode } = await engine.inspectContainer(id);
    await engine.removeContainer(id, true);
    return exitCode;
  }

  const volumeMount = (readOnly: boolean) =>
    ({ kind: "volume", source: "alone-data", target: "/data", readOnly, noCopy: false, subpath: null }) as const;

  test.each<[string, string, Partial<ContainerSpec>]>([
    ["environment", '[ "$A" = "1 = 2" ]', { environment: { A: "1 = 2" } }],
    ["added environment", '[ "$SKERRY_FENCING_TOKEN" = 7 ]', {}],
    ["working folder", '[ "$(pwd)" = /tmp ]', { workingDir: "/tmp" }],
    ["user", '[ "$(id -u):$(id -g)" = 123:456 ]', { user: "123:456" }],
    ["host name", '[ "$(hostname)" = till ]', { hostname: "till" }],
    ["read-only root", "! touch /new 2>/dev/null", { readOnlyRootfs: true }],
    ["ulimits", '[ "$(ulimit -n)" = 77 ]', { ulimits: [{ name: "nofile", soft: 77, hard: 78 }] }],
    ["init", '[ "$(cat /proc/1/comm)" != sh ]', { init: true }],
    ["no init", '[ "$(cat /proc/1/comm)" = sh ]', { init: false }],
    [
      "tmpfs",
      "grep -q ' /scratch tmpfs .*size=1024k' /proc/mounts",
      {
        mounts: [{ kind: "tmpfs", target: "/scratch", sizeBytes: 1_048_576, mode: null, readOnly: false }],
      },
    ],
    ["a volume", "touch /data/kept", { mounts: [volumeMount(false)] }],
    [
      "the same volume, read-only",
      "[ -e /data/kept ] && ! touch /data/more 2>/dev/null",
      { mounts: [volumeMount(true)] },
    ],
    [
      "extra hosts",
      "grep -q '10.9.8.7.*broker' /etc/hosts",
      { networkMode: "bridge", extraHosts: ["broker:10.9.8.7"] },
    ],
    ["DNS", "grep -q 'nameserver 10.9.8.7' /etc/resolv.conf", { networkMode: "bridge", dns: ["10.9.8.7"] }],
    [
      "sysctls",
      '[ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" = 80 ]',
      {
        sysctls: { "net.ipv4.ip_unprivileged_port_start": "80" },
      },
    ],
    ["dropped capabilities", "grep -q '^CapEff:.*0000000000000000' /proc/self/status", { capDrop: ["ALL"] }],
    [
      "a device",
      "[ -c /dev/spare ]",
      { devices: [{ host: "/dev/null", container: "/dev/spare", permissions: "rwm" }] },
    ],
    ["group", "id -G | grep -q 4711", { groupAdd: ["4711"] }],
    ["shared memory", "grep -q ' /dev/shm tmpfs .*size=8192k' /proc/mounts", { shmSizeBytes: 8_388_608 }],
    ["OOM score", '[ "$(cat /proc/self/oom_score_adj)" = 300 ]', { oomScoreAdj: 300 }],
  ])("[E25] %s takes effect inside the container", async (_, script, more) => {
    expect(await codeOf(script, more)).toBe(0);
  });

  test("[E26] containers of one network find each other by alias", async () => {
    const names = { key: "default", engineName: "alone-net", driver: null, driverOptions: {}, labels: {}, ipam: null };
    await engine.createNetwork(
      { ...names, external: false, internal: false, attachable: false, enableIpv6: false },
      {},
    );
    const none = { ipv4Address: null, ipv6Address: null, macAddress: null, linkLocalIps: [], priority: null };
    const networks = [{ network: "alone-net", aliases: ["web"], ...none }];
    const server = "mkdir /www; echo light > /www/index.html; exec httpd -f -p 80 -h /www";
    const spec = { ...defaultContainerSpec, ...shell(server), init: true, networkMode: "networks" as const, networks };
    const id = await engine.createContainer({ name: "alone-web", spec, labels: {}, environment: {} });
    await engine.startContainer(id);
    const ask = 'for try in 1 2 3 4 5; do [ "$(wget -qO- http://web/)" = light ] && exit 0; sleep 1; done; exit 1';
    const asking = [{ network: "alone-net", aliases: ["asks"], ...none }];
    expect(await codeOf(ask, { networkMode: "networks", networks: asking })).toBe(0);
    await engine.removeContainer(id, true);
  });

  test("[E84] taken off its alias a container is found no more, and who talks to it goes on talking", async () => {
    const names = { key: "default", engineName: "alone-talk", driver: null, driverOptions: {}, labels: {}, ipam: null };
    await engine.createNetwork(
      { ...names, external: false, internal: false, attachable: false, enableIpv6: false },
      {},
    );
    const start = async (name: string, script: string, aliases: string[]): Promise<string> => {
      const none = { ipv4Address: null, ipv6Address: null, macAddress: null, linkLocalIps: [], priority: null };
      const networks = [{ network: "alone-talk", aliases, ...none }];
      const more = { init: true, networkMode: "networks" as const, networks };
      const spec = { ...defaultContainerSpec, ...shell(script), ...more };
      const id = await engine.createContainer({ name, spec, labels: {}, environment: {} });
      await engine.startContainer(id);
      return id;
    };
    const talks = "while :; do echo tick; sleep 0.1; done";
    const old = await start("alone-old", `nc -ll -p 9000 -e sh -c '${talks}'`, ["web"]);
    const next = await start("alone-next", STEADY, []);
    const asks = await start("alone-asks", `for _ in 1 2 3 4 5; do nc web 9000; sleep 1; done > /tmp/heard`, []);
    const never = new AbortController().signal;
    const heard = async (): Promise<number> =>
      Number((await engine.exec(asks, ["sh", "-c", "wc -l < /tmp/heard"], never)).output);
    const found = async (): Promise<string> =>
      (
        await engine.exec(asks, ["sh", "-c", "ping -c 1 -w 2 web | sed -n '1s/.*(\\([0-9.]*\\)).*/\\1/p'"], never)
      ).output.trim();
    const addressOf = async (id: string): Promise<string> => (await engine.inspectContainer(id)).addresses[0] ?? "";
    await until("they talk", async () => (await heard()) > 5, SOON_MS);
    const before = await addressOf(old);
    expect(await found()).toBe(before);
    await engine.changeAliases("alone-talk", next, { aliases: ["web"], pinned: false });
    await engine.changeAliases("alone-talk", old, { aliases: [], pinned: true });
    const at = await heard();
    expect(await found()).toBe(await addressOf(next));
    expect(await addressOf(old)).toBe(before);
    await until("they go on talking", async () => (await heard()) > at + 20, SOON_MS);
    for (const id of [old, next, asks]) await engine.removeContainer(id, true);
  });

  test("[E27] the stop signal of the spec is the one that is sent", async () => {
    const script = "trap 'exit 42' USR1; trap '' TERM; while :; do sleep 0.1; done";
    const spec = { ...defaultContainerSpec, networkMode: "none" as const, ...shell(script), stopSignal: "SIGUSR1" };
    const id = await engine.createContainer({ name: "alone-signal", spec, labels: {}, environment: {} });
    await engine.startContainer(id);
    await engine.stopContainer(id, 10_000);
    expect((await engine.inspectContainer(id)).exitCode).toBe(42);
    await engine.removeContainer(id, true);
  });

  test("[E28] how long a running container runs does not depend on the wall clock", async () => {
    const wrongClock = { ...systemClock, wallMs: () => 0 };
    const other = dockerEngine({ socketPath: lab.node(1).engine.socketPath, clock: wrongClock });
    const spec = { ...defaultContainerSpec, networkMode: "none" as const, ...shell(STEADY) };
    const id = await engine.createContainer({ name: "alone-age", spec, labels: {}, environment: {} });
    await engine.startContainer(id);
    await until(
      "it has run for a second",
      async () => ((await other.inspectContainer(id)).ranMs ?? 0) > 1_000,
      SOON_MS,
    );
    expect((await other.inspectContainer(id)).ranMs).toBeLessThan(SOON_MS);
    await engine.removeContainer(id, true);
  });

  test("[E29] a spec that the engine refuses fails as invalid, and one whose files are not there yet as retry", async () => {
    const make = (more: Partial<ContainerSpec>): Promise<string> =>
      engine.createContainer({
        ...{ name: "alone-bad", labels: {}, environment: {} },
        spec: { ...defaultContainerSpec, networkMode: "none", ...shell("exit 0"), ...more },
      });
    await expect(make({ memoryBytes: 1 })).rejects.toMatchObject({ kind: "invalid" });
    // Annotations came with version 1.43 of the API; Debian 12 has 1.41.
    const annotated = (): Promise<string> => make({ annotations: { a: "b" } });
    if (Number((await engine.facts()).apiVersion.split(".")[1]) >= 43)
      await engine.removeContainer(await annotated(), true);
    else await expect(annotated()).rejects.toMatchObject({ kind: "invalid" });
    const missing = {
      kind: "bind",
      source: "/nowhere/at/all",
      target: "/x",
      readOnly: false,
      propagation: null,
    } as const;
    await expect(make({ mounts: [{ ...missing, createHostPath: false }] })).rejects.toMatchObject({ kind: "retry" });
  });

  test("[E30] no engine at the socket, a plain file, and no permission are unreachable, each in its own words", async () => {
    const at = (socketPath: string): Promise<void> => dockerEngine({ socketPath, clock: systemClock }).ping();
    await expect(at("/nowhere/docker.sock")).rejects.toThrow(/install Docker/);
    await expect(at("/etc/hostname")).rejects.toThrow(/start Docker|not a socket/);
    await expect(at("/nowhere/docker.sock")).rejects.toMatchObject({ name: "EngineError", kind: "unreachable" });
  });

  test("[E80] a command that is given up is ended inside the container, and nothing else is", async () => {
    const spec = { ...defaultContainerSpec, networkMode: "none" as const, ...shell(STEADY) };
    const id = await engine.createContainer({ name: "alone-exec", spec, labels: {}, environment: {} });
    await engine.startContainer(id);
    const asked = engine.exec(id, ["/bin/sh", "-c", "touch /there; exec sleep 4711"], AbortSignal.timeout(2_000));
    expect(await asked).toEqual({ exitCode: null, output: "" });
    const never = new AbortController().signal;
    expect(await engine.exec(id, ["ls", "/there"], never)).toMatchObject({ exitCode: 0 });
    const look = [
      "/bin/sh",
      "-c",
      "for one in /proc/[0-9]*; do tr '\\0' ' ' < $one/cmdline; done | grep -c '^sleep 4711'",
    ];
    await until("it has ended", async () => (await engine.exec(id, look, never)).output.trim() === "0", SOON_MS);
    expect((await engine.inspectContainer(id)).status).toBe("running");
    await engine.removeContainer(id, true);
  });

  test("[E80] [N183] of a command that is late while the engine hangs nothing is known", async () => {
    const spec = { ...defaultContainerSpec, networkMode: "none" as const, ...shell(STEADY) };
    const id = await engine.createContainer({ name: "alone-hung", spec, labels: {}, environment: {} });
    await engine.startContainer(id);
    const hung = lab.node(1).engine;
    const late = new AbortController();
    const asked = engine.exec(id, ["/bin/sh", "-c", "touch /there; exec sleep 4712"], late.signal);
    const never = new AbortController().signal;
    await until("it runs", async () => (await engine.exec(id, ["ls", "/there"], never)).exitCode === 0, SOON_MS);
    await hung.pause();
    try {
      late.abort();
      await expect(asked).rejects.toMatchObject({ kind: "retry" });
    } finally {
      hung.resume();
    }
    await engine.removeContainer(id, true);
  });

  test("[E81] a person's kill is told before the end, and a signal that ends nothing is not", async () => {
    const heard: string[] = [];
    const watch = engine.watch(
      ({ action }) => heard.push(action),
      () => undefined,
    );
    const script = "trap '' HUP; while :; do sleep 0.1; done";
    const spec = { ...defaultContainerSpec, networkMode: "none" as const, ...shell(script) };
    const id = await engine.createContainer({ name: "alone-kill", spec, labels: {}, environment: {} });
    await engine.startContainer(id);
    await until("it was heard to start", () => Promise.resolve(heard.includes("start")), SOON_MS);
    const { api } = lab.node(1).engine;
    await api.call("POST", `/containers/${id}/kill?signal=HUP`);
    await api.call("POST", `/containers/${id}/kill?signal=KILL`);
    await until("it was heard to end", () => Promise.resolve(heard.includes("die")), SOON_MS);
    watch.close();
    expect(heard.filter((action) => action === "kill" || action === "die")).toEqual(["kill", "die"]);
    await engine.removeContainer(id, true);
  });

  test("[E56] of much output only the end is kept, with and without a terminal", async () => {
    for (const tty of [false, true]) {
      const script = "i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i+1)); done";
      const logging = { driver: "json-file", options: {} };
      const spec = { ...defaultContainerSpec, networkMode: "none" as const, ...shell(script), tty, logging };
      const id = await engine.createContainer({ name: "alone-tail", spec, labels: {}, environment: {} });
      await engine.startContainer(id);
      await until("it ends", async () => (await engine.inspectContainer(id)).status === "exited", SOON_MS);
      const last = await engine.tail(id, 50, 8_192);
      expect(last).toHaveLength(50);
      expect(last.at(-1)).toBe("line-2999");
      expect(await engine.tail(id, 50, 100)).toEqual(last.slice(-9));
      await engine.removeContainer(id, true);
    }
  });

  test("[E85] [E86] on a terminal a long line has its stamp in each piece, and a first byte that looks like a frame's is none", async () => {
    const script = "printf '\\001first\\n'; head -c 40000 /dev/zero | tr '\\0' x; echo; echo last";
    const spec = { ...defaultContainerSpec, networkMode: "none" as const, ...shell(script), tty: true };
    const id = await engine.createContainer({ name: "alone-terminal", spec, labels: {}, environment: {} });
    await engine.startContainer(id);
    await until("it ends", async () => (await engine.inspectContainer(id)).status === "exited", SOON_MS);
    const never = new AbortController().signal;
    const read: LogLine[] = [];
    for await (const line of engine.logs(id, { follow: false, tail: null, since: null }, never)) read.push(line);
    expect(read.map(({ text }) => text)).toEqual([
      "\u0001first",
      ...[16_384, 16_384, 7_232].map((length) => "x".repeat(length)),
      "last",
    ]);
    expect(read.every(({ at }) => Date.parse(at) > 0)).toBe(true);
    expect((await engine.tail(id, 50, 100_000)).map((text) => text.slice(0, 5))).toEqual(["first", "xxxxx", "last"]);
    await engine.removeContainer(id, true);
  });

  test("[E31] an engine that hangs is given up after a deadline, and answers again when it goes on", async () => {
    const { pid } = lab.node(1).engine;
    process.kill(pid, "SIGSTOP");
    // The signal is on its way when the call returns: the kernel says when all threads have stopped.
    const stopped = async (): Promise<boolean> => /^State:\s+T/m.test(await readFile(`/proc/${pid}/status`, "utf8"));
    try {
      await until("the engine has stopped", stopped, SOON_MS);
      const startedAt = systemClock.monotonicMs();
      await expect(engine.ping()).rejects.toMatchObject({ kind: "unreachable" });
      expect(systemClock.monotonicMs() - startedAt).toBeLessThan(10_000);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await until(
      "it answers",
      () =>
        engine.ping().then(
          () => true,
          () => false,
        ),
      SOON_MS,
    );
  });

  test("[E32] a restart of the engine ends the watch with a reason and shows in its facts", async () => {
    const before = (await engine.facts()).instance;
    const reasons: string[] = [];
    engine.watch(
      () => undefined,
      (reason) => reasons.push(reason),
    );
    await engine.inspectImage(BASE.name);
    const real = lab.node(1).engine;
    await real.stop();
    await until("the watch has ended", async () => reasons.length > 0, SOON_MS);
    await expect(engine.listContainers()).rejects.toBeInstanceOf(EngineError);
    await real.start();
    await engine.ping();
    expect((await engine.facts()).instance).not.toBe(before);
    expect(reasons).toHaveLength(1);
  });
});
