// Logs over the stream socket, on two real engines: shown by copy, followed over restarts of containers and of the hub,
// and never in the way of a heartbeat. On a node without its hub they are read there.
import { spawn } from "node:child_process";
import { afterEach, expect, test } from "vitest";
import { SKERRY, skerryCommand } from "../lab/fleet.ts";
import { until } from "../lab/wait.ts";
import { compose, fleetForThisFile, removeApp, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile({ nodes: 2 });

const script = (text: string) =>
  service({ command: ["sh", "-c", text], logging: { driver: "json-file", options: { "max-size": "10m" } } });
const everywhere = { deploy: { mode: "global" } };
const one = { deploy: { replicas: 1 } };
/** Says its host, something for the other output, and a colour; then a number each tenth of a second. */
const CHATTY =
  "echo I am here; echo trouble >&2; printf 'red \\033[31mred\\n'; i=0; while :; do echo tick $$i; i=$$((i+1)); sleep 0.1; done";
/** Much faster than anybody reads: some 50 MB a second and more. */
const SPAM = "yes 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

interface Following {
  text(): string;
  errors(): string;
  pause(): void;
  end(): Promise<number | null>;
}
const running: Following[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.end();
});

async function follow(words: readonly string[]): Promise<Following> {
  const env = { PATH: process.env["PATH"] ?? "", ...(await fleet().hub.env()) };
  const child = spawn(SKERRY, ["logs", ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
  let [text, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    errors += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const one: Following = {
    text: () => text,
    errors: () => errors,
    pause: () => void child.stdout.pause(),
    async end() {
      child.kill("SIGINT");
      return await ended;
    },
  };
  running.push(one);
  return one;
}

test("[L70] [U25] logs of all copies of an app come with their names, and control characters in them are shown, not obeyed", async () => {
  await fleet().apply("chat", compose({ web: { ...script(CHATTY), ...everywhere } }));
  await untilGood(fleet(), "chat");
  const ticks = async (): Promise<boolean> => {
    const { stdout } = await fleet().skerry(["logs", "chat"]);
    return stdout.split("tick 0").length === 3;
  };
  await until("both have written", ticks, SOON_MS);
  const { code, stdout, stderr } = await fleet().skerry(["logs", "chat/web"]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  for (const node of fleet().nodes) expect(stdout).toMatch(new RegExp(`@${node.name} \\| I am here`));
  expect(stdout).toContain("red \\x1b[31mred");
  const raw = await fleet().skerry(["logs", "chat/web", "--raw", "--tail", "100000"]);
  expect(raw.stdout).toContain("red \u001b[31mred");
  const { stdout: json } = await fleet().skerry(["logs", `chat/web/${fleet().node(1).name}`, "--json", "--tail", "2"]);
  const items = json
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(items).toHaveLength(2);
  expect(items[0]).toMatchObject({ kind: "line", stream: "stdout", node: { name: fleet().node(1).name } });
});

/** A gauge of the hub's. */
async function metric(name: string): Promise<number> {
  const { body: text } = await fleet().hub.call("GET", "/metrics");
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
}

test("[L71] [A93] followed logs go on after a restart of the container and of the hub, and say so", async () => {
  const [node] = fleet().nodes;
  const { api } = fleet().node(1).engine;
  const one = await follow([`chat/web/${node?.name}`, "-f", "--tail", "1"]);
  await until("it follows", async () => one.text().split("tick").length > 5, SOON_MS);
  expect(await metric("skerry_hub_log_readers")).toBe(1);
  expect(await metric("skerry_hub_stream_sockets")).toBeGreaterThan(0);
  const restarts = (): number => one.text().split("I am here").length - 1;
  const before = restarts();
  await api.kill("chat-web-1");
  await until("the new run is followed", async () => restarts() > before, SOON_MS);
  expect(one.errors()).toContain("its container was started again");
  await fleet().hub.stop();
  await until("it says so", async () => one.errors().includes("Trying again"), SOON_MS);
  await fleet().hub.start();
  await until("the hub is back", async () => one.errors().includes("the hub is back"), SOON_MS);
  const length = one.text().length;
  await until("it goes on", async () => one.text().length > length + 200, SOON_MS);
  // No line is lost, and none is shown twice, over the hub's restart.
  const numbers = [
    ...one
      .text()
      .slice(one.text().lastIndexOf("I am here"))
      .matchAll(/tick (\d+)/g),
  ].map(([, n]) => Number(n));
  expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + at));
});

test("[L72] (H55) a container that writes as fast as it can delays no heartbeat, also while a reader stands still", async () => {
  // One that may be replaced after 6 s makes its node beat every two seconds.
  const urgent = { ...script("sleep 3600"), ...one, "x-skerry": { disconnect: { policy: "replace", after: "6s" } } };
  await fleet().apply("urgent", compose({ web: urgent }));
  await fleet().apply("spam", compose({ web: { ...script(SPAM), ...everywhere } }));
  await untilGood(fleet(), "urgent");
  await untilGood(fleet(), "spam");
  const { body: urgents } = await fleet().hub.call("GET", "/v1/workloads?app=urgent");
  const quick = await follow(["spam", "-f", "--tail", "1"]);
  await until("it reads", async () => quick.text().length > 100_000, SOON_MS);
  const slow = await follow(["spam", "-f", "--tail", "1"]);
  await until("the second one reads too", async () => slow.text().length > 0, SOON_MS);
  slow.pause();
  const read = quick.text().length;
  const silences: number[] = [];
  const sample = async (): Promise<boolean> => {
    const { body } = await fleet().hub.call("GET", `/v1/nodes/${urgents.items[0].node.name}`);
    expect(body.reachability).toMatchObject({ kind: "ready", connected: true });
    silences.push(body.reachability.silentForMs);
    return beats(silences) >= 10;
  };
  await until("ten beats have come", sample, SOON_MS);
  // A beat that is held up shows as a longer silence; three seconds more cover a machine that is busy with all this noise.
  expect(Math.max(...silences)).toBeLessThan(5_000);
  expect(quick.text().length - read).toBeGreaterThan(1_000_000);
  await quick.end();
  await slow.end();
  await removeApp(fleet(), "spam");
  await removeApp(fleet(), "urgent");
});

/** Each word of a node makes its silence shorter than it was. */
const beats = (silences: readonly number[]): number =>
  silences.filter((silence, at) => silence < (silences[at - 1] ?? 0)).length;

test("[L73] [K42] what runs on a node that is not heard is said by name, and is read on the node itself", async () => {
  const node = fleet().node(2);
  await node.site.network?.cut();
  const tail = () => fleet().skerry(["logs", "chat", "--tail", "1"], {}, { mayFail: true });
  const told = async (): Promise<boolean> =>
    (await tail()).stderr.includes(`node ${node.name} is not heard: its logs are not here`);
  await until("it is said", told, 120_000);
  const { code, stdout } = await tail();
  expect(code).toBe(1);
  expect(stdout).toContain(`@${fleet().node(1).name} |`);
  const local = await skerryCommand(["agent", "logs", "chat/web", "--tail", "3", "--data", node.dataDir]);
  expect(local.stderr).toBe("");
  expect(local.stdout.trim().split("\n")).toHaveLength(3);
  expect(local.stdout).toMatch(/^tick \d+$/m);
  const unknown = await skerryCommand(["agent", "logs", "nothing", "--data", node.dataDir]);
  expect(unknown).toMatchObject({ code: 1 });
  await node.site.network?.heal();
  await fleet().allReady(90_000);
  await removeApp(fleet(), "chat");
});

test("[L74] what is written to a terminal is read line by line", async () => {
  await fleet().apply("tty", compose({ web: { ...script("echo on a terminal; sleep 3600"), tty: true } }));
  await untilGood(fleet(), "tty");
  const shown = async (): Promise<string> => (await fleet().skerry(["logs", "tty"])).stdout;
  await until("it shows", async () => / \| on a terminal\n/.test(await shown()), SOON_MS);
  await removeApp(fleet(), "tty");
});
