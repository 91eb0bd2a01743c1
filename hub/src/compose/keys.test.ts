// The table of keys against the Specification's own list, and against what the compiler really does.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is the syntax under test.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compileCompose } from "./compile.ts";
import { keyRules, ruleFor } from "./keys.ts";
import { composeKeysPage } from "./keys-page.ts";

const ROOT = join(import.meta.dirname, "../../..");
const schemaKeys = readFileSync(join(ROOT, "test/golden/compose-keys.txt"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));
const outsideSchema = ["services.*.pre_start", ...[...keyRules.keys()].filter((path) => path.includes("x-skerry"))];

type Json = { [key: string]: unknown };
const isMap = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

/** What stands for the user's own names in a path. */
const NAMES: Readonly<Record<string, string>> = {
  services: "app",
  networks: "net",
  volumes: "vol",
  depends_on: "db",
  ulimits: "nofile",
};

function nest(parts: readonly string[], value: unknown, companions: Json, above = ""): Json {
  const [part = "", ...rest] = parts;
  const key = part === "*" ? (NAMES[above] ?? "any") : part.replace("[]", "");
  if (rest.length === 0) return { ...companions, [key]: value };
  const below = nest(rest, value, companions, key);
  return { [key]: part.endsWith("[]") ? [below] : below };
}

function merge(base: unknown, over: unknown): unknown {
  if (!isMap(base) || !isMap(over)) return over;
  return Object.fromEntries(
    [...new Set([...Object.keys(base), ...Object.keys(over)])].map((key) => [
      key,
      key in over ? merge(base[key], over[key]) : base[key],
    ]),
  );
}

const base = {
  name: "demo",
  services: {
    app: { image: "app:1", volumes: ["vol:/vol"], networks: { net: null } },
    db: { image: "db:1", user: "db" },
  },
  networks: { net: null },
  volumes: { vol: null },
  secrets: { sec: { file: "s" }, other: { file: "o" } },
  configs: { con: { file: "c" }, other: { file: "o" } },
};

/** JSON is YAML. */
function fileWith(path: string, value: unknown, companions: Json = {}): string {
  return JSON.stringify(merge(base, nest(path.split("."), value, companions)));
}

function compile(text: string) {
  const files = { "a.env": "A=1", "b.env": 'A="2"' };
  return compileCompose({ name: null, text, files, variables: {}, profiles: ["day"] });
}

/** On a service. */
function granted(section: string, source: string): Record<string, readonly [unknown, unknown, Json?]> {
  const at = `services.*.${section}[]`;
  return {
    [`${at}.source`]: [source, "other"],
    [`${at}.target`]: ["a", "b", { source }],
    [`${at}.mode`]: ["0400", "0440", { source }],
    [`${at}.uid`]: ["1", "2", { source }],
    [`${at}.gid`]: ["1", "2", { source }],
  };
}

/** Two values of a key that must give two specs, with what has to stand beside them. */
const CHANGES: Readonly<Record<string, readonly [unknown, unknown, Json?]>> = {
  ...granted("secrets", "sec"),
  ...granted("configs", "con"),
  name: ["one", "two"],
  services: [{ app: { image: "a" } }, { app: { image: "b" } }],
  networks: [{ net: { internal: true } }, { net: { internal: false } }],
  volumes: [{ vol: { name: "a" } }, { vol: { name: "b" } }],
  "networks.*.name": ["a", "b"],
  "networks.*.driver": ["bridge", "macvlan"],
  "networks.*.driver_opts": [{ a: 1 }, { a: 2 }],
  "networks.*.ipam.driver": ["default", "other"],
  "networks.*.ipam.config[].subnet": ["10.1.0.0/16", "10.2.0.0/16"],
  "networks.*.ipam.config[].ip_range": ["10.1.0.0/24", "10.1.1.0/24"],
  "networks.*.ipam.config[].gateway": ["10.1.0.1", "10.1.0.2"],
  "networks.*.ipam.config[].aux_addresses": [{ a: "10.1.0.3" }, { a: "10.1.0.4" }],
  "networks.*.ipam.options": [{ a: "1" }, { a: "2" }],
  "networks.*.external": [true, false],
  "networks.*.external.name": ["a", "b"],
  "networks.*.internal": [true, false],
  "networks.*.enable_ipv6": [true, false],
  "networks.*.attachable": [true, false],
  "networks.*.labels": [{ a: "1" }, ["a=2"]],
  "volumes.*.name": ["a", "b"],
  "volumes.*.driver": ["local", "nfs"],
  "volumes.*.driver_opts": [{ a: 1 }, { a: 2 }],
  "volumes.*.external": [true, false],
  "volumes.*.external.name": ["a", "b"],
  "volumes.*.labels": [{ a: "1" }, ["a=2"]],
  "services.*.image": ["a:1", "a:2"],
  "services.*.pull_policy": ["always", "if_not_present"],
  "services.*.platform": ["linux/arm64", "linux/amd64"],
  "services.*.command": ["a 'b c'", ["a", "b", "c"]],
  "services.*.entrypoint": ["a b", []],
  "services.*.environment": [{ A: 1 }, ["A=2"]],
  "services.*.env_file": ["a.env", ["b.env"]],
  "services.*.env_file[].path": ["a.env", "b.env"],
  "services.*.env_file[].required": [false, true, { path: "a.env" }],
  "services.*.env_file[].format": ["raw", null, { path: "b.env" }],
  "services.*.label_file": ["a.env", ["b.env"]],
  "services.*.labels": [{ a: "1" }, ["a=2"]],
  "services.*.annotations": [{ a: "1" }, ["a=2"]],
  "services.*.working_dir": ["/a", "/b"],
  "services.*.user": ["1000", "root"],
  "services.*.group_add": [["a"], [20]],
  "services.*.hostname": ["a", "b"],
  "services.*.domainname": ["a", "b"],
  "services.*.init": [true, false],
  "services.*.tty": [true, false],
  "services.*.stdin_open": [true, false],
  "services.*.read_only": [true, "no"],
  "services.*.privileged": [true, false],
  "services.*.stop_signal": ["SIGTERM", "SIGINT"],
  "services.*.stop_grace_period": ["10s", "1m30s"],
  "services.*.restart": ["always", "on-failure:3"],
  "services.*.scale": [2, "3"],
  "services.*.profiles": [["day"], ["night"]],
  "services.*.extends": ["db", { service: "db" }],
  "services.*.extends.service": ["db", "other"],
  "services.*.depends_on": [["db"], []],
  "services.*.depends_on.*.condition": ["service_started", "service_healthy"],
  "services.*.depends_on.*.restart": [true, false, { condition: "service_started" }],
  "services.*.depends_on.*.required": [true, false, { condition: "service_started" }],
  "services.*.healthcheck.test": ["true", ["CMD", "true"]],
  "services.*.healthcheck.interval": ["1s", "2s"],
  "services.*.healthcheck.timeout": ["1s", "2s"],
  "services.*.healthcheck.retries": [1, 2],
  "services.*.healthcheck.start_period": ["1s", "2s"],
  "services.*.healthcheck.start_interval": ["1s", "2s"],
  "services.*.healthcheck.disable": [true, false],
  "services.*.logging.driver": ["json-file", "journald", { options: { "max-size": "1m" } }],
  "services.*.logging.options": [{ "max-size": "1m" }, { "max-size": "2m" }],
  "services.*.ports": [["80:80"], [80]],
  "services.*.ports[].target": [80, "81"],
  "services.*.ports[].published": ["80", 81, { target: 80 }],
  "services.*.ports[].host_ip": ["127.0.0.1", "::1", { target: 80 }],
  "services.*.ports[].protocol": ["tcp", "udp", { target: 80 }],
  "services.*.expose": [["80"], [81]],
  "services.*.networks": [["net"], ["default"]],
  "services.*.networks.*.aliases": [["a"], ["b"]],
  "services.*.networks.*.ipv4_address": ["10.0.0.2", "10.0.0.3"],
  "services.*.networks.*.ipv6_address": ["fd00::2", "fd00::3"],
  "services.*.networks.*.link_local_ips": [["169.254.1.1"], ["169.254.1.2"]],
  "services.*.networks.*.mac_address": ["02:42:ac:11:65:43", "02:42:ac:11:65:44"],
  "services.*.networks.*.priority": [1, 2],
  "services.*.network_mode": ["host", "none", { networks: null }],
  "services.*.mac_address": ["02:42:ac:11:65:43", "02:42:ac:11:65:44"],
  "services.*.dns": ["1.1.1.1", ["8.8.8.8"]],
  "services.*.dns_opt": [["ndots:1"], ["ndots:2"]],
  "services.*.dns_search": ["a", ["b"]],
  "services.*.extra_hosts": [["a:1.2.3.4"], { a: ["1.2.3.5"] }],
  "services.*.volumes": [["vol:/vol:ro"], ["/vol"]],
  "services.*.volumes[].type": ["tmpfs", "volume", { target: "/x" }],
  "services.*.volumes[].source": ["/a", "/b", { type: "bind", target: "/x" }],
  "services.*.volumes[].target": ["/a", "/b", { type: "volume", source: "vol" }],
  "services.*.volumes[].read_only": [true, false, { type: "volume", source: "vol", target: "/x" }],
  "services.*.volumes[].bind.propagation": ["rslave", "rshared"],
  "services.*.volumes[].bind.create_host_path": [true, false],
  "services.*.volumes[].volume.nocopy": [true, false],
  "services.*.volumes[].volume.subpath": ["a", "b"],
  "services.*.volumes[].tmpfs.size": ["1m", 2_000_000],
  "services.*.volumes[].tmpfs.mode": ["0755", 700],
  "services.*.tmpfs": ["/run", ["/run:size=1m"]],
  "services.*.shm_size": ["64m", "128m"],
  "services.*.storage_opt": [{ size: "1G" }, { size: "2G" }],
  "services.*.cpus": [0.5, "1"],
  "services.*.cpu_shares": [1, 2],
  "services.*.cpu_quota": [50_000, "60ms"],
  "services.*.cpu_period": [50_000, "60ms"],
  "services.*.cpu_rt_period": ["400ms", 1_000],
  "services.*.cpu_rt_runtime": ["400ms", 1_000],
  "services.*.cpuset": ["0", "0-1"],
  "services.*.mem_limit": ["64m", "65m"],
  "services.*.mem_reservation": ["64m", "65m"],
  "services.*.mem_swappiness": [0, 100],
  "services.*.memswap_limit": ["64m", -1, { mem_limit: "64m" }],
  "services.*.oom_kill_disable": [true, false],
  "services.*.oom_score_adj": [-500, 500],
  "services.*.pids_limit": [100, -1],
  "services.*.ulimits": [{ nofile: 1 }, { nproc: 1 }],
  "services.*.ulimits.*.soft": [1, 2, { hard: 10 }],
  "services.*.ulimits.*.hard": [1, 2, { soft: 1 }],
  "services.*.blkio_config.weight": [10, 1_000],
  "services.*.cap_add": [["NET_ADMIN"], ["ALL"]],
  "services.*.cap_drop": [["NET_ADMIN"], ["ALL"]],
  "services.*.security_opt": [["no-new-privileges:true"], ["seccomp=unconfined"]],
  "services.*.sysctls": [{ "net.core.somaxconn": 1 }, ["net.core.somaxconn=2"]],
  "services.*.devices": [["/dev/a"], ["/dev/a:/dev/b:r"]],
  "services.*.devices[].source": ["/dev/a", "/dev/b", { target: "/dev/c" }],
  "services.*.devices[].target": ["/dev/a", "/dev/b", { source: "/dev/c" }],
  "services.*.devices[].permissions": ["r", "rw", { source: "/dev/c" }],
  "services.*.device_cgroup_rules": [["c 1:3 mr"], ["c 1:4 mr"]],
  "services.*.cgroup": ["host", "private"],
  "services.*.cgroup_parent": ["a", "b"],
  "services.*.ipc": ["host", "shareable"],
  "services.*.pid": ["host", null],
  "services.*.uts": ["host", null],
  "services.*.userns_mode": ["host", null],
  "services.*.isolation": ["default", null],
  "services.*.runtime": ["runc", "crun"],
  "services.*.deploy.mode": ["global", "replicated"],
  "services.*.deploy.replicas": [1, 2],
  "services.*.deploy.placement.constraints": [["node.labels.a == b"], ["node.id != x"]],
  "services.*.deploy.placement.preferences[].spread": ["node.labels.a", "node.labels.b"],
  "services.*.deploy.placement.max_replicas_per_node": [1, 2],
  "services.*.deploy.resources.limits.cpus": ["0.5", 1],
  "services.*.deploy.resources.limits.memory": ["64m", "65m"],
  "services.*.deploy.resources.limits.pids": [1, 2],
  "services.*.deploy.resources.reservations.cpus": ["0.5", 1],
  "services.*.deploy.resources.reservations.memory": ["64m", "65m"],
  "services.*.deploy.restart_policy.condition": ["none", "on-failure"],
  "services.*.deploy.restart_policy.delay": ["1s", "2s"],
  "services.*.deploy.restart_policy.max_attempts": [1, 2],
  "services.*.deploy.restart_policy.window": ["1s", "2s"],
  "services.*.deploy.update_config.parallelism": [1, "25%"],
  "services.*.deploy.update_config.delay": ["1s", "2s"],
  "services.*.deploy.update_config.monitor": ["1s", "2s"],
  "services.*.deploy.update_config.failure_action": ["continue", "rollback"],
  "services.*.deploy.update_config.max_failure_ratio": [0.1, "20%"],
  "services.*.deploy.rollback_config.parallelism": [1, "25%"],
  "services.*.deploy.rollback_config.delay": ["1s", "2s"],
  "services.*.deploy.rollback_config.monitor": ["1s", "2s"],
  "services.*.deploy.rollback_config.failure_action": ["continue", "pause"],
  "services.*.deploy.rollback_config.max_failure_ratio": [0.1, "20%"],
  "services.*.x-skerry.priority": [-5, 10],
  "services.*.x-skerry.rollout.canary": [1, "10%"],
  "services.*.x-skerry.rollout.canary.constraint": ["node.labels.canary == yes", "node.arch == arm64"],
  "services.*.x-skerry.rollout.promote_after": ["5m", "10m", { canary: 1 }],
  "services.*.x-skerry.rollout.batch_by": ["site", "node.labels.zone"],
  "services.*.x-skerry.rollout.success_threshold": [0.5, "90%"],
  "services.*.x-skerry.rollout.budget.max_unavailable": [1, "20%"],
  "services.*.x-skerry.rollout.budget.per": ["site", "zone", { max_unavailable: 1 }],
  "services.*.x-skerry.rollout.deadline": ["1m", "2m"],
  "services.*.x-skerry.update.hold": [true, false],
  "services.*.x-skerry.update.hold.max": ["1h", "2h"],
  "services.*.x-skerry.update.download.cron": ["0 3 * * *", "0 4 * * 1-5", { duration: "1h" }],
  "services.*.x-skerry.update.download.duration": ["1h", "2h", { cron: "0 3 * * *" }],
  "services.*.x-skerry.update.download.time_zone": ["Europe/Berlin", "UTC", { cron: "0 3 * * *", duration: "1h" }],
  "services.*.x-skerry.update.apply.cron": ["0 3 * * *", "0 4 * * 1-5", { duration: "1h" }],
  "services.*.x-skerry.update.apply.duration": ["1h", "2h", { cron: "0 3 * * *" }],
  "services.*.x-skerry.update.apply.time_zone": ["Europe/Berlin", "UTC", { cron: "0 3 * * *", duration: "1h" }],
  "services.*.x-skerry.probes.startup.http": [{ port: 80 }, { port: 81 }],
  "services.*.x-skerry.probes.startup.http.port": [80, 81],
  "services.*.x-skerry.probes.startup.http.path": ["/a", "/b", { port: 80 }],
  "services.*.x-skerry.probes.startup.http.status": [200, ["200-299", "304"], { port: 80 }],
  "services.*.x-skerry.probes.startup.http.headers": [{ a: "1" }, ["a=2"], { port: 80 }],
  "services.*.x-skerry.probes.startup.tcp": [80, 81],
  "services.*.x-skerry.probes.startup.exec": [["true"], "true"],
  "services.*.x-skerry.probes.startup.interval": ["1s", "2s", { tcp: 80 }],
  "services.*.x-skerry.probes.startup.timeout": ["1s", "2s", { tcp: 80 }],
  "services.*.x-skerry.probes.startup.initial_delay": ["1s", "2s", { tcp: 80 }],
  "services.*.x-skerry.probes.startup.failure_threshold": [1, 2, { tcp: 80 }],
  "services.*.x-skerry.probes.readiness.http": [{ port: 80 }, { port: 81 }],
  "services.*.x-skerry.probes.readiness.http.port": [80, 81],
  "services.*.x-skerry.probes.readiness.http.path": ["/a", "/b", { port: 80 }],
  "services.*.x-skerry.probes.readiness.http.status": [200, ["200-299", "304"], { port: 80 }],
  "services.*.x-skerry.probes.readiness.http.headers": [{ a: "1" }, ["a=2"], { port: 80 }],
  "services.*.x-skerry.probes.readiness.tcp": [80, 81],
  "services.*.x-skerry.probes.readiness.exec": [["true"], "true"],
  "services.*.x-skerry.probes.readiness.interval": ["1s", "2s", { tcp: 80 }],
  "services.*.x-skerry.probes.readiness.timeout": ["1s", "2s", { tcp: 80 }],
  "services.*.x-skerry.probes.readiness.initial_delay": ["1s", "2s", { tcp: 80 }],
  "services.*.x-skerry.probes.readiness.failure_threshold": [1, 2, { tcp: 80 }],
  "services.*.x-skerry.probes.readiness.success_threshold": [1, 2, { tcp: 80 }],
  "services.*.x-skerry.probes.liveness.http": [{ port: 80 }, { port: 81 }],
  "services.*.x-skerry.probes.liveness.http.port": [80, 81],
  "services.*.x-skerry.probes.liveness.http.path": ["/a", "/b", { port: 80 }],
  "services.*.x-skerry.probes.liveness.http.status": [200, ["200-299", "304"], { port: 80 }],
  "services.*.x-skerry.probes.liveness.http.headers": [{ a: "1" }, ["a=2"], { port: 80 }],
  "services.*.x-skerry.probes.liveness.tcp": [80, 81],
  "services.*.x-skerry.probes.liveness.exec": [["true"], "true"],
  "services.*.x-skerry.probes.liveness.interval": ["1s", "2s", { tcp: 80 }],
  "services.*.x-skerry.probes.liveness.timeout": ["1s", "2s", { tcp: 80 }],
  "services.*.x-skerry.probes.liveness.initial_delay": ["1s", "2s", { tcp: 80 }],
  "services.*.x-skerry.probes.liveness.failure_threshold": [1, 2, { tcp: 80 }],
  "services.*.x-skerry.disconnect.policy": ["keep", "fence"],
  "services.*.x-skerry.disconnect.after": ["10s", "20s", { policy: "replace" }],
};

/** Keys that change nothing in what runs: a good value, and a bad one that must be told. */
const CHECKED: Readonly<Record<string, readonly [unknown, unknown, Json?]>> = {
  "secrets.*.file": ["a", {}],
  "secrets.*.environment": ["A", {}],
  "secrets.*.external": [true, "maybe"],
  "secrets.*.external.name": ["a", "x/y"],
  "secrets.*.name": ["a", "x/y", { file: "a" }],
  "configs.*.file": ["a", {}],
  "configs.*.environment": ["A", {}],
  "configs.*.content": ["a", {}],
  "configs.*.external": [true, "maybe"],
  "configs.*.external.name": ["a", "x/y"],
  "configs.*.name": ["a", "x/y", { file: "a" }],
  version: ["3.8", ["3"]],
  "networks.*.enable_ipv4": [true, false],
  "services.*.attach": [false, "perhaps"],
  "services.*.ports[].mode": ["host", "hots", { target: 80 }],
  "services.*.ports[].name": ["web", ["web"], { target: 80 }],
  "services.*.ports[].app_protocol": ["http", { a: 1 }, { target: 80 }],
  "services.*.volumes[].consistency": ["cached", "often", { type: "volume", source: "vol", target: "/x" }],
  "services.*.deploy.endpoint_mode": ["dnsrr", "vip"],
  // The service under test has a writable volume.
  "services.*.deploy.update_config.order": ["stop-first", "start-first"],
  "services.*.deploy.rollback_config.order": ["stop-first", "start-first"],
  "services.*.x-skerry.probes.startup.success_threshold": [1, 2, { tcp: 80 }],
  "services.*.x-skerry.probes.liveness.success_threshold": [1, 2, { tcp: 80 }],
};

/** What a mount of each kind needs beside the part that is tried. */
const MOUNTS: Readonly<Record<string, Json>> = {
  bind: { type: "bind", source: "/x", target: "/x" },
  volume: { type: "volume", source: "vol", target: "/x" },
  tmpfs: { type: "tmpfs", target: "/x" },
};

function example(path: string, value: unknown, companions?: Json): string {
  const mount = /^services\.\*\.volumes\[\]\.(bind|volume|tmpfs)\.(\w+)$/.exec(path);
  if (mount === null) return fileWith(path, value, companions);
  const [, kind = "", key = ""] = mount;
  return fileWith("services.*.volumes", [{ ...MOUNTS[kind], [kind]: { [key]: value } }]);
}

const honoured = [...keyRules].filter(([, rule]) => rule.use === "honoured").map(([path]) => path);
const hasKeysBelow = (path: string): boolean =>
  [...keyRules.keys()].some((other) => other.startsWith(`${path}.`) || other.startsWith(`${path}[]`));

/** Values whose two specs are equal by meaning, though each is honoured: compared with the key left out instead. */
const COMPARED_WITH_NONE: ReadonlySet<string> = new Set([
  "services.*.extends",
  "services.*.env_file[].required",
  "services.*.depends_on",
]);

describe("keys of a Compose file", () => {
  test("[C1] every key of the Specification is honoured or refused, and no other key is known", () => {
    expect(schemaKeys.filter((path) => ruleFor(path) === undefined)).toEqual([]);
    expect([...keyRules.keys()].filter((path) => !schemaKeys.includes(path)).sort()).toEqual(outsideSchema.sort());
  });

  test("[C1] each honoured key is proven by one of the tests below", () => {
    const proven = new Set([...Object.keys(CHANGES), ...Object.keys(CHECKED)]);
    expect(honoured.filter((path) => !proven.has(path) && !hasKeysBelow(path))).toEqual([]);
    expect([...proven].filter((path) => !honoured.includes(path))).toEqual([]);
  });

  test.each(Object.entries(CHANGES))("[C1] %s changes what is compiled", (path, [first, second, companions]) => {
    const [a, b] = [first, second].map((value) => compile(example(path, value, companions)));
    if (path === "services.*.extends.service") {
      expect(b).toMatchObject({ ok: false, error: [{ code: "reference-unknown" }] });
      return;
    }
    const other = COMPARED_WITH_NONE.has(path) ? compile(JSON.stringify(base)) : b;
    if (a?.ok !== true || other?.ok !== true) throw new Error(JSON.stringify([a, other]));
    expect(a.value.spec).not.toEqual(other.value.spec);
  });

  test.each(Object.entries(CHECKED))("[C1] %s is checked", (path, [good, bad, companions]) => {
    expect(compile(example(path, good, companions))).toMatchObject({ ok: true });
    expect(compile(example(path, bad, companions))).toMatchObject({ ok: false });
  });

  test.each([...keyRules].filter(([, rule]) => rule.use === "refused"))(
    "[C2] %s is refused by name, with the reason and what to use instead",
    (path, rule) => {
      const compiled = compile(fileWith(path, {}));
      const key = path.split(".").at(-1) ?? "";
      if (compiled.ok || rule.use !== "refused") throw new Error("it was accepted");
      const problem = compiled.error.find(({ code }) => code === "key-refused");
      expect(problem?.message).toBe(`\`${key}\` is refused: ${rule.reason}.`);
      expect(problem?.hint).toBe(rule.instead);
      expect(problem?.line).toBe(1);
    },
  );

  test("[C3] docs/compose.md is the table of keys", () => {
    expect(readFileSync(join(ROOT, "docs/compose.md"), "utf8")).toBe(composeKeysPage());
  });
});
