// Every field of a spec, and what the engine is asked for because of it.
import { type ContainerSpec, defaultContainerSpec, type NetworkAttachment } from "@skerry/shared/model/container.ts";
import { describe, expect, test } from "vitest";
import { createCall, networkBody, volumeBody } from "./create-request.ts";

const base: ContainerSpec = { ...defaultContainerSpec, image: "shop/web:1" };
const call = (more: Partial<ContainerSpec>, apiMinor = 41) => {
  const request = { name: "shop-web-1", spec: { ...base, ...more }, labels: {}, environment: {} };
  const result = createCall(request, apiMinor);
  if (!result.ok) throw new Error(result.error);
  return result.value;
};
const refusal = (more: Partial<ContainerSpec>, apiMinor = 41): string | null => {
  const request = { name: "shop-web-1", spec: { ...base, ...more }, labels: {}, environment: {} };
  const result = createCall(request, apiMinor);
  return result.ok ? null : result.error;
};
const host = (more: Partial<ContainerSpec>, apiMinor = 41): unknown => call(more, apiMinor).body["HostConfig"];
const attachment = (network: string, more: Partial<NetworkAttachment> = {}): NetworkAttachment => {
  const none = { ipv4Address: null, ipv6Address: null, macAddress: null, linkLocalIps: [], priority: null };
  return { network, aliases: [], ...none, ...more };
};

describe("the engine's create request", () => {
  test("[E33] a spec that says nothing asks for nothing, save no restart by the engine and bounded logs", () => {
    expect(call({})).toEqual({
      query: { name: "shop-web-1" },
      connectLater: [],
      body: {
        ...{ Image: "shop/web:1", Env: [], Labels: {}, Tty: false, OpenStdin: false },
        NetworkingConfig: { EndpointsConfig: {} },
        HostConfig: {
          ...{ ReadonlyRootfs: false, Privileged: false, NetworkMode: "none" },
          RestartPolicy: { Name: "no" },
          LogConfig: { Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } },
        },
      },
    });
  });

  test.each<[Partial<ContainerSpec>, object]>([
    [
      { entrypoint: [], command: ["a", "b c"] },
      { Entrypoint: [], Cmd: ["a", "b c"] },
    ],
    [{ environment: { B: "2", A: "1=1" } }, { Env: ["A=1=1", "B=2"] }],
    [{ labels: { a: "b" } }, { Labels: { a: "b" } }],
    [
      { workingDir: "/w", user: "1:2", hostname: "h", domainname: "d" },
      { WorkingDir: "/w", User: "1:2", Hostname: "h", Domainname: "d" },
    ],
    [
      { tty: true, stdinOpen: true },
      { Tty: true, OpenStdin: true },
    ],
    [
      { stopSignal: "SIGUSR1", stopGraceMs: 1_500 },
      { StopSignal: "SIGUSR1", StopTimeout: 2 },
    ],
    [{ exposedPorts: ["80", "90-91/udp"] }, { ExposedPorts: { "80/tcp": {}, "90/udp": {}, "91/udp": {} } }],
    [
      {
        healthcheck: {
          ...{ test: ["CMD", "true"], intervalMs: 5_000, timeoutMs: 1, startPeriodMs: 0, startIntervalMs: null },
          retries: 3,
        },
      },
      { Healthcheck: { Test: ["CMD", "true"], Interval: 5e9, Timeout: 1e6, StartPeriod: 0, Retries: 3 } },
    ],
    [{ networkMode: "bridge" }, { NetworkingConfig: { EndpointsConfig: {} } }],
  ])("[E34] %j", (more, body) => {
    expect(call(more).body).toMatchObject(body);
  });

  test.each<[Partial<ContainerSpec>, object]>([
    [
      { init: true, readOnlyRootfs: true, privileged: true },
      { Init: true, ReadonlyRootfs: true, Privileged: true },
    ],
    [
      { memoryBytes: 1, memoryReservationBytes: 2, memorySwapBytes: -1, memorySwappiness: 0 },
      { Memory: 1, MemoryReservation: 2, MemorySwap: -1, MemorySwappiness: 0 },
    ],
    [
      { nanoCpus: 5e8, cpuShares: 2, cpuQuota: -1, cpuPeriod: 3, cpuset: "0,1", cpuRtPeriod: 4, cpuRtRuntime: 5 },
      {
        ...{ NanoCpus: 5e8, CpuShares: 2, CpuQuota: -1, CpuPeriod: 3, CpusetCpus: "0,1" },
        ...{ CpuRealtimePeriod: 4, CpuRealtimeRuntime: 5 },
      },
    ],
    [
      { pidsLimit: 9, blkioWeight: 10, oomKillDisable: true, oomScoreAdj: -5, shmSizeBytes: 11 },
      { PidsLimit: 9, BlkioWeight: 10, OomKillDisable: true, OomScoreAdj: -5, ShmSize: 11 },
    ],
    [{ ulimits: [{ name: "nofile", soft: 1, hard: 2 }] }, { Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }] }],
    [
      { sysctls: { a: "1" }, storageOpt: { size: "1G" } },
      { Sysctls: { a: "1" }, StorageOpt: { size: "1G" } },
    ],
    [
      { devices: [{ host: "/dev/a", container: "/dev/b", permissions: "r" }], deviceCgroupRules: ["c 1:3 mr"] },
      {
        Devices: [{ PathOnHost: "/dev/a", PathInContainer: "/dev/b", CgroupPermissions: "r" }],
        DeviceCgroupRules: ["c 1:3 mr"],
      },
    ],
    [
      { capAdd: ["NET_ADMIN"], capDrop: ["ALL"], securityOpt: ["no-new-privileges"], groupAdd: ["7"] },
      { CapAdd: ["NET_ADMIN"], CapDrop: ["ALL"], SecurityOpt: ["no-new-privileges"], GroupAdd: ["7"] },
    ],
    [
      {
        cgroup: "private",
        cgroupParent: "/x",
        ipcMode: "private",
        pidMode: "host",
        utsMode: "host",
        usernsMode: "host",
      },
      {
        CgroupnsMode: "private",
        CgroupParent: "/x",
        IpcMode: "private",
        PidMode: "host",
        UTSMode: "host",
        UsernsMode: "host",
      },
    ],
    [
      { isolation: "default", runtime: "runc" },
      { Isolation: "default", Runtime: "runc" },
    ],
    [
      { extraHosts: ["a:1.2.3.4"], dns: ["1.1.1.1"], dnsOptions: ["ndots:1"], dnsSearch: ["x"] },
      { ExtraHosts: ["a:1.2.3.4"], Dns: ["1.1.1.1"], DnsOptions: ["ndots:1"], DnsSearch: ["x"] },
    ],
    [{ logging: { driver: "local", options: {} } }, { LogConfig: { Type: "local", Config: {} } }],
    [{ restart: { ...base.restart, policy: "always" } }, { RestartPolicy: { Name: "no" } }],
    [{ networkMode: "host" }, { NetworkMode: "host" }],
    [
      {
        ports: [
          { hostPort: 8080, containerPort: 80, protocol: "tcp", hostIp: "127.0.0.1" },
          { hostPort: null, containerPort: 80, protocol: "tcp", hostIp: "" },
        ],
      },
      {
        PortBindings: {
          "80/tcp": [
            { HostIp: "127.0.0.1", HostPort: "8080" },
            { HostIp: "", HostPort: "" },
          ],
        },
      },
    ],
    [
      {
        mounts: [
          { kind: "bind", source: "/a", target: "/b", readOnly: true, propagation: "rslave", createHostPath: true },
        ],
      },
      { Binds: ["/a:/b:ro,rslave"] },
    ],
    [
      {
        mounts: [
          { kind: "bind", source: "/a", target: "/b", readOnly: false, propagation: null, createHostPath: false },
        ],
      },
      { Mounts: [{ Type: "bind", Source: "/a", Target: "/b", ReadOnly: false }] },
    ],
    [
      { mounts: [{ kind: "volume", source: "v", target: "/b", readOnly: true, noCopy: true, subpath: null }] },
      { Mounts: [{ Type: "volume", Source: "v", Target: "/b", ReadOnly: true, VolumeOptions: { NoCopy: true } }] },
    ],
    [
      { mounts: [{ kind: "tmpfs", target: "/b", sizeBytes: 1, mode: 0o1777, readOnly: false }] },
      { Mounts: [{ Type: "tmpfs", Target: "/b", ReadOnly: false, TmpfsOptions: { SizeBytes: 1, Mode: 0o1777 } }] },
    ],
  ])("[E35] %j", (more, wanted) => {
    expect(host(more)).toMatchObject(wanted);
  });

  test("[E36] labels and environment of the agent stand over the spec's own", () => {
    const spec = {
      ...base,
      labels: { "io.skerry.node": "forged", a: "1" },
      environment: { SKERRY_FENCING_TOKEN: "0" },
    };
    const request = { name: "x", spec, labels: { "io.skerry.node": "n1" }, environment: { SKERRY_FENCING_TOKEN: "7" } };
    const result = createCall(request, 41);
    expect(result).toMatchObject({
      value: { body: { Labels: { "io.skerry.node": "n1", a: "1" }, Env: ["SKERRY_FENCING_TOKEN=7"] } },
    });
  });

  test("[E37] the network of the highest priority comes first; older engines take the others one by one, newer ones all at once", () => {
    const networks = [
      attachment("a", { aliases: ["web"], ipv4Address: "10.0.0.2" }),
      attachment("b", { priority: 5, macAddress: "02:00:00:00:00:01" }),
    ];
    const old = call({ networks });
    expect(old.body).toMatchObject({
      MacAddress: "02:00:00:00:00:01",
      NetworkingConfig: { EndpointsConfig: { b: {} } },
      HostConfig: { NetworkMode: "b" },
    });
    expect(old.connectLater.map(({ network }) => network)).toEqual(["a"]);
    const now = call({ networks }, 44);
    expect(now.connectLater).toEqual([]);
    expect(now.body["NetworkingConfig"]).toEqual({
      EndpointsConfig: {
        b: { MacAddress: "02:00:00:00:00:01" },
        a: { Aliases: ["web"], IPAMConfig: { IPv4Address: "10.0.0.2" } },
      },
    });
  });

  test("[E38] what this engine would ignore in silence is refused with the version that it needs", () => {
    const start = {
      test: null,
      intervalMs: null,
      timeoutMs: null,
      startPeriodMs: null,
      retries: null,
      startIntervalMs: 1,
    };
    const volume = { kind: "volume", source: "v", target: "/b", readOnly: true, noCopy: true, subpath: "s" } as const;
    const second = [attachment("a", { priority: 1 }), attachment("b", { macAddress: "02:00:00:00:00:01" })];
    expect(refusal({ annotations: { a: "b" } })).toMatch(/annotations needs .* 1\.43/);
    expect(refusal({ annotations: { a: "b" } }, 43)).toBeNull();
    expect(refusal({ healthcheck: start })).toMatch(/start_interval needs .* 1\.44/);
    expect(refusal({ healthcheck: start }, 44)).toBeNull();
    expect(refusal({ mounts: [volume] }, 44)).toMatch(/subpath needs .* 1\.45/);
    expect(refusal({ mounts: [volume] }, 45)).toBeNull();
    expect(refusal({ networks: second })).toMatch(/mac_address .* 1\.44/);
    expect(refusal({ networks: second }, 44)).toBeNull();
  });

  test("[E39] networks and volumes are asked for field by field", () => {
    const ipam = {
      driver: null,
      configs: [{ subnet: "10.1.0.0/16", gateway: null, ipRange: null, auxAddresses: {} }],
      options: {},
    };
    const scope = {
      key: "k",
      engineName: "shop_k",
      external: false,
      driver: null,
      driverOptions: {},
      labels: { a: "1" },
    };
    const network = { ...scope, internal: true, attachable: false, enableIpv6: false, ipam };
    expect(networkBody(network, { b: "2" })).toEqual({
      ...{ Name: "shop_k", CheckDuplicate: true, Internal: true, Attachable: false, EnableIPv6: false, Options: {} },
      IPAM: { Driver: "default", Config: [{ Subnet: "10.1.0.0/16" }] },
      Labels: { a: "1", b: "2" },
    });
    expect(volumeBody({ ...scope, driver: "local", driverOptions: { type: "tmpfs" } }, {})).toEqual({
      ...{ Name: "shop_k", Driver: "local", DriverOpts: { type: "tmpfs" }, Labels: { a: "1" } },
    });
  });

  test("[E40] every field of a spec is either in the request or is the agent's own business", () => {
    // A Proxy notes which fields of the spec were read.
    const read = new Set<string>();
    const spec = new Proxy(base, {
      get(target, name, receiver) {
        read.add(String(name));
        return Reflect.get(target, name, receiver);
      },
    });
    createCall({ name: "x", spec, labels: {}, environment: {} }, 47);
    const agentsOwn = ["dependsOn", "files", "pullPolicy", "restart"];
    expect(
      Object.keys(base)
        .filter((name) => !read.has(name))
        .sort(),
    ).toEqual(agentsOwn);
  });
});
