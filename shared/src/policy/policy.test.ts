// Policies: each attempt with its refusal, each field of the spec with a change that is seen, and random specs that get nothing through.
import { describe, expect, test } from "vitest";
import type { AppNetwork, AppVolume } from "../model/app.ts";
import { type ContainerSpec, containerSpecSchema, defaultContainerSpec, type Mount } from "../model/container.ts";
import { asksOf, FREE_FIELDS, type Subject } from "./asks.ts";
import { confined } from "./confined.ts";
import { grantText, judge } from "./judge.ts";
import { fits, plainPath } from "./paths.ts";
import { grantsSchema, type Policy, type Profile, policyFieldsSchema, type ResolvedPolicy } from "./policy.ts";
import { DEFAULT_PIDS_LIMIT, NO_GRANTS, NO_RULES, RESTRICTED, SILENT_CAPABILITIES } from "./profiles.ts";
import { isAboutNode, resolved } from "./resolve.ts";

type Parts = Partial<ContainerSpec>;
const spec = (parts: Parts = {}): ContainerSpec => ({ ...defaultContainerSpec, image: "web:1", ...parts });
const subject = (parts: Parts = {}, more: Partial<Subject> = {}): Subject => ({
  ...{ app: "shop", spec: spec(parts), networks: [], volumes: [], ...more },
});
const profile = (name: Profile): ResolvedPolicy => ({ ...RESTRICTED, profile: name });
const bind = (source: string, more: object = {}): Mount => ({
  ...{ kind: "bind", source, target: "/m", readOnly: false, propagation: null, createHostPath: false },
  ...more,
});
const mount = (source: string): Mount => ({
  ...{ kind: "volume", source, target: "/m", readOnly: false, noCopy: false, subpath: null },
});
const volume = (engineName: string, parts: Partial<AppVolume> = {}): AppVolume => ({
  ...{ key: "data", engineName, external: false, driver: null, driverOptions: {}, labels: {}, ...parts },
});
const network = (engineName: string, parts: Partial<AppNetwork> = {}): AppNetwork => ({
  ...{ key: "default", engineName, external: false, driver: null, driverOptions: {}, internal: false },
  ...{ attachable: false, enableIpv6: false, ipam: null, labels: {}, ...parts },
});
const attached = (name: string): Parts => ({
  networks: [
    {
      ...{ network: name, aliases: [], ipv4Address: null, ipv6Address: null, macAddress: null, linkLocalIps: [] },
      priority: null,
    },
  ],
});
const policy = (parts: Partial<Policy> = {}): Policy => ({
  ...{ name: "p", revision: 1, profile: "restricted", mode: "enforce", apps: [], nodeLabels: [] },
  ...{ grants: NO_GRANTS, rules: NO_RULES, ...parts },
});

const device = (host: string) => ({ devices: [{ host, container: "/dev/x", permissions: "rwm" }] });
const withVolume = (driverOptions: Record<string, string>, driver: string | null = null): Partial<Subject> => ({
  spec: spec({ mounts: [mount("shop_data")] }),
  volumes: [volume("shop_data", { driver, driverOptions })],
});

/** What is tried, which rule refuses it, and the lowest profile that lets it through; "never": none. */
const ATTEMPTS: readonly [string, Parts | Partial<Subject>, string, Profile | "never"][] = [
  ["(H47) privileged", { privileged: true }, "privileged", "privileged"],
  ["(H47) network_mode: host", { networkMode: "host" }, "host-namespaces", "privileged"],
  ["(H47) a network called host", attached("host"), "host-namespaces", "privileged"],
  ["(H47) pid: host", { pidMode: "host" }, "host-namespaces", "privileged"],
  ["(H47) ipc: host", { ipcMode: "host" }, "host-namespaces", "privileged"],
  ["(H47) uts: host", { utsMode: "host" }, "host-namespaces", "privileged"],
  ["(H47) userns_mode: host", { usernsMode: "host" }, "host-namespaces", "privileged"],
  ["(H47) cgroup: host", { cgroup: "host" }, "host-namespaces", "privileged"],
  ["(H47) cgroup_parent", { cgroupParent: "/" }, "cgroup", "privileged"],
  ["(H47) a device", device("/dev/mem"), "devices", "privileged"],
  ["(H47) a device rule", { deviceCgroupRules: ["a *:* rwm"] }, "devices", "privileged"],
  ["(H47) cap_add ALL", { capAdd: ["ALL"] }, "capabilities", "privileged"],
  ["(H47) cap_add NET_RAW", { capAdd: ["NET_RAW"] }, "capabilities", "privileged"],
  ["(H47) cap_add cap_sys_admin", { capAdd: ["cap_sys_admin"] }, "capabilities", "privileged"],
  ["(H47) cap_add SYS_CHROOT", { capAdd: ["SYS_CHROOT"] }, "capabilities", "baseline"],
  ["(H47) another runtime", { runtime: "nvidia" }, "runtime", "privileged"],
  ["(H47) isolation", { isolation: "process" }, "runtime", "privileged"],
  ["(H48) bind /", { mounts: [bind("/")] }, "closed-host-path", "privileged"],
  ["(H48) bind the engine's socket", { mounts: [bind("/var/run/docker.sock")] }, "closed-host-path", "privileged"],
  ["(H48) bind what holds it", { mounts: [bind("/var/run")] }, "closed-host-path", "privileged"],
  ["(H48) bind /proc, read only", { mounts: [bind("/proc", { readOnly: true })] }, "closed-host-path", "privileged"],
  ["(H48) bind with ..", { mounts: [bind("/srv/../etc")] }, "closed-host-path", "privileged"],
  ["(H48) bind with //", { mounts: [bind("//var//run//docker.sock")] }, "closed-host-path", "privileged"],
  ["(H48) bind the agent's folder", { mounts: [bind("/var/lib/skerry/agent")] }, "closed-host-path", "privileged"],
  ["(H48) bind anything", { mounts: [bind("/srv/data")] }, "host-path", "privileged"],
  [
    "(H48) shared propagation",
    { mounts: [bind("/srv", { propagation: "rshared" })] },
    "mount-propagation",
    "privileged",
  ],
  ["(H48) a volume with o=bind", withVolume({ type: "none", o: "rw,bind", device: "/etc" }), "host-path", "privileged"],
  [
    "(H48) a volume with o=rbind of /",
    withVolume({ type: "none", o: "rbind", device: "/" }),
    "closed-host-path",
    "privileged",
  ],
  ["(H48) a volume of a disk", withVolume({ type: "ext4", device: "/dev/sda1" }), "volume-types", "privileged"],
  [
    "(H48) a volume over the network",
    withVolume({ type: "nfs", o: "addr=10.0.0.1", device: ":/" }),
    "volume-types",
    "baseline",
  ],
  ["(H48) a volume of a plugin", withVolume({}, "sshfs"), "volume-types", "baseline"],
  ["(H48) a volume that is another app's", { mounts: [mount("bank_data")] }, "foreign-volume", "baseline"],
  [
    "(H48) a subpath with ..",
    { mounts: [{ ...mount("shop_data"), kind: "volume", source: null, subpath: "../x", noCopy: false }] },
    "volume-types",
    "never",
  ],
  ["(H49) seccomp=unconfined", { securityOpt: ["seccomp=unconfined"] }, "seccomp", "privileged"],
  ["(H49) apparmor=unconfined", { securityOpt: ["apparmor:unconfined"] }, "apparmor", "privileged"],
  ["(H49) systempaths=unconfined", { securityOpt: ["systempaths=unconfined"] }, "proc-mount", "privileged"],
  ["(H49) label=disable", { securityOpt: ["label=disable"] }, "selinux", "privileged"],
  ["(H49) label=type:spc_t", { securityOpt: ["label=type:spc_t"] }, "selinux", "privileged"],
  ["(H49) no-new-privileges=false", { securityOpt: ["no-new-privileges=false"] }, "privilege-escalation", "baseline"],
  ["(H49) an option that nobody knows", { securityOpt: ["writable-cgroups=true"] }, "security-options", "privileged"],
  ["(H53) network of a container", attached("container:vault"), "host-namespaces", "never"],
  ["(H53) pid of a container", { pidMode: "container:vault" }, "host-namespaces", "never"],
  ["(H53) ipc of a container", { ipcMode: "container:vault" }, "host-namespaces", "never"],
  ["(H54) our own labels", { labels: { "io.skerry.app": "bank" } }, "own-labels", "never"],
  ["(H55) no pids limit", { pidsLimit: -1 }, "pids", "baseline"],
  ["(H55) a pids limit that is none", { pidsLimit: 4_000_000 }, "pids", "baseline"],
  ["(H55) logs without a bound", { logging: { driver: "json-file", options: {} } }, "log-size", "baseline"],
  [
    "(H55) 100 GB of logs",
    { logging: { driver: "json-file", options: { "max-size": "10g", "max-file": "10" } } },
    "log-size",
    "baseline",
  ],
  [
    "(H55) a hundred thousand files of the engine's own size",
    { logging: { driver: "local", options: { "max-file": "100000" } } },
    "log-size",
    "baseline",
  ],
  [
    "(H55) a number of files that is none",
    { logging: { driver: "local", options: { "max-file": "x" } } },
    "log-size",
    "baseline",
  ],
  ["(H55) logs sent by the engine", { logging: { driver: "syslog", options: {} } }, "log-driver", "baseline"],
  ["(H55) never killed", { oomScoreAdj: -1_000 }, "oom", "privileged"],
  ["(H55) never killed by its limit", { oomKillDisable: true }, "oom", "privileged"],
  ["(H55) realtime", { cpuRtRuntime: 950_000 }, "realtime", "baseline"],
  ["(H55) realtime, the period", { cpuRtPeriod: 1_000_000 }, "realtime", "baseline"],
  ["(H55) realtime by ulimit", { ulimits: [{ name: "rtprio", soft: 99, hard: 99 }] }, "realtime", "baseline"],
  ["(H56) working_dir of an open file", { workingDir: "/proc/self/fd/8" }, "proc-mount", "never"],
  ["(H56) working_dir, hidden", { workingDir: "//./proc/self/fd/8" }, "proc-mount", "never"],
  ["(H56) working_dir, by a detour", { workingDir: "/x/../proc/self/fd/8" }, "proc-mount", "never"],
  ["(H56) working_dir, relative", { workingDir: "a/../../proc" }, "proc-mount", "never"],
  ["root by name", { user: "root" }, "run-as-non-root", "baseline"],
  ["root by number", { user: "00:1000" }, "run-as-non-root", "baseline"],
  ["a sysctl of the machine", { sysctls: { "kernel.core_pattern": "|/x" } }, "sysctls", "privileged"],
  ["storage options", { storageOpt: { "dm.basesize": "1g" } }, "storage", "privileged"],
  ["annotations", { annotations: { note: "x" } }, "annotations", "baseline"],
  ["annotations that runtimes obey", { annotations: { "org.systemd.property.X": "1" } }, "annotations", "privileged"],
  [
    "a network in the machine's own",
    { spec: spec(attached("shop_lan")), networks: [network("shop_lan", { driver: "macvlan" })] },
    "networks",
    "baseline",
  ],
  [
    "a bridge of the machine",
    {
      spec: spec(attached("shop_lan")),
      networks: [network("shop_lan", { driverOptions: { "com.docker.network.bridge.name": "br0" } })],
    },
    "networks",
    "baseline",
  ],
];

const trying = (parts: Parts | Partial<Subject>): Subject =>
  "spec" in parts ? subject({}, parts) : subject(parts as Parts);

describe("attempts", () => {
  test.each(ATTEMPTS)(
    "[P300] %s is refused by its rule, and allowed from the right profile on",
    (_, parts, rule, least) => {
      const tried = trying(parts);
      const order: readonly Profile[] = ["restricted", "baseline", "privileged"];
      for (const one of order) {
        const allowed = least !== "never" && order.indexOf(one) >= order.indexOf(least);
        const found = judge(tried, profile(one));
        const rules = found.map((each) => each.rule);
        if (allowed) expect(rules).toEqual([]);
        else expect(rules).toContain(rule);
        for (const { message, hint } of found) {
          expect(message).toMatch(/^`[a-z_.]+` asks for .+, which (no policy allows|the profile \w+ does not allow)$/);
          expect(hint).toMatch(/^Take it out of the file/);
        }
      }
    },
  );

  test("[P300] the words of a refusal name field, value, profile and what would allow it", () => {
    const [first] = judge(subject(device("/dev/ttyUSB0")));
    expect(first).toEqual({
      field: "devices",
      rule: "devices",
      value: "/dev/ttyUSB0",
      message: "`devices` asks for /dev/ttyUSB0, which the profile restricted does not allow",
      hint:
        "Take it out of the file, or let somebody with policy:manage set a policy with `profile: privileged`; " +
        'or one that grants it by name: `grants: { devices: ["/dev/ttyUSB0"] }` (skerry policy set FILE).',
    });
  });

  test("[P301] what a file may always ask for is allowed", () => {
    const harmless: Parts = {
      ports: [{ hostPort: 80, containerPort: 80, protocol: "tcp", hostIp: "" }],
      capAdd: ["NET_BIND_SERVICE", "chown"],
      capDrop: ["ALL"],
      securityOpt: ["no-new-privileges:true", "seccomp=builtin", "apparmor=docker-default", "label=type:container_t"],
      sysctls: { "net.ipv4.ip_unprivileged_port_start": "0" },
      user: "1000:0",
      groupAdd: ["dialout"],
      ipcMode: "private",
      runtime: "runc",
      isolation: "default",
      pidsLimit: 200,
      mounts: [mount("shop_data"), { kind: "tmpfs", target: "/t", sizeBytes: null, mode: null, readOnly: false }],
      storageOpt: { size: "1G" },
      oomScoreAdj: 500,
      logging: { driver: "local", options: {} },
    };
    const volumes = [volume("shop_data", { driver: "local", driverOptions: { type: "tmpfs", o: "size=10m" } })];
    expect(judge(subject(harmless, { volumes }))).toEqual([]);
    expect(judge(subject())).toEqual([]);
  });
});

describe("grants", () => {
  test.each(
    ATTEMPTS.flatMap(([name, parts]) => asksOf(trying(parts)).map((ask) => [name, parts, ask] as const)).filter(
      ([, , { grant }]) => grant !== null,
    ),
  )("[P302] %s is allowed by the very grant that its refusal names", (_, parts, { grant }) => {
    if (grant === null) throw new Error("bug: filtered above");
    const { key, value } = /^grants: \{ (?<key>\w+): \[(?<value>.*)\] \}$/.exec(grantText(grant))?.groups ?? {};
    const item = value?.startsWith("{")
      ? { path: "path" in grant ? grant.path : "", readOnly: false }
      : value?.replaceAll('"', "");
    const grants = grantsSchema.parse({ [key ?? ""]: [item] });
    const left = judge(trying(parts), { ...RESTRICTED, grants });
    expect(left.map(({ rule }) => rule).filter((rule) => rule !== "mount-propagation")).toEqual([]);
  });

  test("[P303] a granted path covers what is below it and nothing beside it; read only grants no writing", () => {
    const grants = {
      ...NO_GRANTS,
      hostPaths: [
        { path: "/srv/data", readOnly: true },
        { path: "/", readOnly: false },
      ],
    };
    const refused = (source: string, readOnly: boolean, paths = [{ path: "/srv/data", readOnly: true }]): boolean =>
      judge(subject({ mounts: [bind(source, { readOnly })] }), {
        ...RESTRICTED,
        grants: { ...NO_GRANTS, hostPaths: paths },
      }).length > 0;
    expect(refused("/srv/data/", true)).toBe(false);
    expect(refused("/srv/data/deep", true)).toBe(false);
    expect(refused("/srv/data", false)).toBe(true);
    expect(refused("/srv/database", true)).toBe(true);
    expect(refused("/srv/data/../x", true)).toBe(true);
    // However wide a grant is.
    for (const source of ["/run/docker.sock", "/var/lib/docker/volumes", "/sys", "/dev/sda", "/var", "/"])
      expect([source, refused(source, true, grants.hostPaths)]).toEqual([source, true]);
  });

  test("[P303] a star stands at the end, for anything but a slash", () => {
    expect(fits("/dev/ttyUSB*", "/dev/ttyUSB0")).toBe(true);
    expect(fits("/dev/*", "/dev/bus/usb")).toBe(false);
    expect(fits("/dev/ttyUSB0", "/dev/ttyUSB01")).toBe(false);
    expect(plainPath("/dev/ttyUSB0/../sda")).toBeNull();
    expect(grantsSchema.safeParse({ devices: ["/dev/*/x"] }).success).toBe(false);
    expect(grantsSchema.safeParse({ devices: ["/dev/../sda"] }).success).toBe(false);
    expect(grantsSchema.safeParse({ devices: ["/dev/gpiochip*"] }).success).toBe(true);
    expect(grantsSchema.safeParse({ hostPaths: [{ path: "/srv/*" }] }).success).toBe(false);
    expect(grantsSchema.parse({ hostPaths: [{ path: "/srv" }] }).hostPaths).toEqual([{ path: "/srv", readOnly: true }]);
  });
});

describe("several policies", () => {
  test("[P304] profiles and grants add up, rules all hold, and audit lets through what is not closed for good", () => {
    const devices = policy({ grants: { ...NO_GRANTS, devices: ["/dev/a"] } });
    const strict = policy({ rules: { ...NO_RULES, requireReadOnlyRoot: true } });
    const baseline = policy({ profile: "baseline" });
    const both = resolved([devices, strict, baseline]);
    expect([both.profile, both.mode, both.grants.devices]).toEqual(["baseline", "enforce", ["/dev/a"]]);
    expect(judge(subject(device("/dev/a")), both).map(({ rule }) => rule)).toEqual(["require-read-only-root"]);
    const audit = resolved([strict, policy({ mode: "audit", rules: { ...NO_RULES, forbidLatest: true } })]);
    const tried = subject({ image: "web", privileged: true, labels: { "io.skerry.x": "" }, readOnlyRootfs: true });
    expect(judge(tried, audit).map(({ rule }) => rule)).toEqual(["own-labels"]);
    const asIf = resolved([strict, policy({ mode: "audit", rules: { ...NO_RULES, forbidLatest: true } })], true);
    expect(judge(tried, asIf).map(({ rule }) => rule)).toEqual(["privileged", "own-labels", "forbid-latest"]);
    expect(resolved([])).toBe(RESTRICTED);
  });

  test("[P304] a policy is bound to nodes that have one of its labels, and to all without any", () => {
    expect(isAboutNode({ apps: [], nodeLabels: ["gpio=yes", "a=b=c"] }, { a: "b=c" })).toBe(true);
    expect(isAboutNode({ apps: [], nodeLabels: ["gpio=yes"] }, { gpio: "no" })).toBe(false);
    expect(isAboutNode({ apps: [], nodeLabels: ["constructor=x"] }, {})).toBe(false);
    expect(isAboutNode({ apps: [], nodeLabels: [] }, {})).toBe(true);
  });

  test("[P305] an unknown field, profile or mode is refused", () => {
    for (const wrong of [
      { profil: "baseline" },
      { profile: "none" },
      { mode: "off" },
      { grants: { device: [] } },
      { rules: { x: true } },
    ])
      expect(policyFieldsSchema.safeParse(wrong).success).toBe(false);
    expect(policyFieldsSchema.parse({})).toEqual({
      ...{ profile: "restricted", mode: "enforce", apps: [], nodeLabels: [], grants: NO_GRANTS, rules: NO_RULES },
    });
  });
});

describe("rules", () => {
  const rule = (rules: Partial<typeof NO_RULES>, parts: Parts): readonly string[] =>
    judge(subject(parts), { ...RESTRICTED, rules: [{ ...NO_RULES, ...rules }] }).map((one) => one.rule);
  const digest = `@sha256:${"a".repeat(64)}`;
  test.each([
    ["registry.example/team/app:1", [], true],
    ["registry.example/team/app:1", ["registry.example"], true],
    ["registry.example/team/app:1", ["registry.example/team/"], true],
    ["registry.example/teams/app:1", ["registry.example/team"], false],
    ["registry.example.evil/app:1", ["registry.example"], false],
    ["localhost/app", ["localhost"], true],
    ["host:5000/app:1", ["host:5000"], true],
    ["nginx:1", ["docker.io"], true],
    ["nginx:1", ["docker.io/library"], true],
    ["docker.io/nginx:1", ["docker.io/library"], true],
    ["index.docker.io/team/app", ["docker.io/team"], true],
    ["EVIL/app:1", ["docker.io"], false],
    ["team/app:1", ["docker.io/library"], false],
    ["registry.example/a", ["docker.io"], false],
    [`sha256:${"a".repeat(64)}`, ["docker.io"], false],
  ])("[P306] image %s with registries %j: allowed %s", (image, registries, allowed) => {
    expect(rule({ registries }, { image })).toEqual(allowed ? [] : ["registries"]);
  });

  test("[P306] each rule has what breaks it and what keeps it", () => {
    expect(rule({ requireDigest: true }, {})).toEqual(["require-digest"]);
    expect(rule({ requireDigest: true }, { image: `web${digest}` })).toEqual([]);
    for (const image of ["web", "web:latest", "host:5000/web"])
      expect(rule({ forbidLatest: true }, { image })).toEqual(["forbid-latest"]);
    expect(rule({ forbidLatest: true }, { image: `web:latest${digest}` })).toEqual([]);
    expect(rule({ requireMemoryLimit: true }, {})).toEqual(["require-memory-limit"]);
    expect(rule({ requireMemoryLimit: true }, { memoryBytes: 1 })).toEqual([]);
    expect(rule({ requireReadOnlyRoot: true }, {})).toEqual(["require-read-only-root"]);
    expect(rule({ requireReadOnlyRoot: true }, { readOnlyRootfs: true })).toEqual([]);
    for (const user of [null, "root", "0", "app"])
      expect(rule({ requireNonRoot: true }, { user }).filter((one) => one !== "run-as-non-root")).toEqual([
        "require-non-root",
      ]);
    expect(rule({ requireNonRoot: true }, { user: "1000" })).toEqual([]);
  });
});

describe("silence", () => {
  test("[P307] where a file is silent, the engine is asked for the safe value; what it says stays", () => {
    expect(confined(spec())).toEqual({
      ...{ capAdd: [...SILENT_CAPABILITIES].sort(), capDrop: ["ALL"], securityOpt: ["no-new-privileges"] },
      pidsLimit: DEFAULT_PIDS_LIMIT,
    });
    expect(confined(spec({ capAdd: ["NET_RAW"], capDrop: ["ALL"], pidsLimit: 7 }))).toMatchObject({
      ...{ capAdd: ["NET_RAW"], capDrop: ["ALL"], pidsLimit: 7 },
    });
    expect(confined(spec({ capDrop: ["CAP_CHOWN"] })).capAdd).not.toContain("CHOWN");
    expect(confined(spec({ capAdd: ["ALL"], capDrop: ["NET_RAW"] }))).toMatchObject({
      capAdd: ["ALL"],
      capDrop: ["NET_RAW"],
    });
    expect(confined(spec({ securityOpt: ["no-new-privileges=false"] })).securityOpt).toEqual([
      "no-new-privileges=false",
    ]);
    expect(confined(spec({ privileged: true }))).toMatchObject({
      capAdd: [],
      capDrop: [],
      securityOpt: [],
      pidsLimit: null,
    });
  });
});

describe("completeness", () => {
  /** For each field of the spec that is not free, a value that must be seen. */
  test("[P308] every field of a spec is judged or named as free, and every judged one has an attempt", () => {
    const tried = new Set<string>();
    for (const [, parts] of ATTEMPTS) {
      const changed = trying(parts).spec;
      for (const key of Object.keys(defaultContainerSpec))
        if (
          JSON.stringify(changed[key as keyof ContainerSpec]) !==
          JSON.stringify(defaultContainerSpec[key as keyof typeof defaultContainerSpec])
        )
          tried.add(key);
    }
    const free = new Set<string>(FREE_FIELDS);
    const all = Object.keys(containerSpecSchema.shape);
    expect(all.filter((key) => !free.has(key) && !tried.has(key))).toEqual([]);
    expect([...tried].filter((key) => free.has(key))).toEqual([]);
  });

  test("[P308] random specs: it never throws, and what is allowed by restricted asks an engine for nothing beyond it", () => {
    let state = 1;
    const next = (most: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state % most;
    };
    const words = [
      "host",
      "container:x",
      "unconfined",
      "root",
      "/",
      "/proc",
      "ALL",
      "a",
      "",
      "seccomp=unconfined",
      "/dev/sda",
      "..",
      "\u0000",
    ];
    const random = (depth: number): unknown => {
      const kind = next(depth > 2 ? 5 : 7);
      if (kind === 0) return null;
      if (kind === 1) return next(2) === 1;
      if (kind === 2) return next(3) - 1;
      if (kind < 5) return words[next(words.length)];
      if (kind === 5) return Array.from({ length: next(3) }, () => random(depth + 1));
      return Object.fromEntries(Array.from({ length: next(3) }, () => [words[next(words.length)], random(depth + 1)]));
    };
    let allowed = 0;
    const keys = Object.keys(defaultContainerSpec);
    for (let run = 0; run < 1_000; run += 1) {
      const parts = Object.fromEntries(Array.from({ length: 1 + next(3) }, () => [keys[next(keys.length)], random(0)]));
      const parsed = containerSpecSchema.safeParse({ ...spec(), ...parts });
      if (!parsed.success || judge(subject({}, { spec: parsed.data })).length > 0) continue;
      allowed += 1;
      const made = parsed.data;
      expect(
        made.privileged || made.networkMode === "host" || made.devices.length > 0 || made.cgroupParent !== null,
      ).toBe(false);
      expect([made.pidMode ?? "", made.utsMode ?? "", made.usernsMode ?? ""].join("")).toBe("");
      expect(made.mounts.some(({ kind }) => kind === "bind")).toBe(false);
      const { capAdd, capDrop, securityOpt, pidsLimit } = confined(made);
      expect(capDrop).toEqual(["ALL"]);
      expect(capAdd.filter((name) => !SILENT_CAPABILITIES.includes(name))).toEqual([]);
      expect(securityOpt.some((option) => option.startsWith("no-new-privileges") && !option.endsWith("false"))).toBe(
        true,
      );
      expect(pidsLimit).toBeGreaterThan(0);
    }
    expect(allowed).toBeGreaterThan(30);
  });
});
