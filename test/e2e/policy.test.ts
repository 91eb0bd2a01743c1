// Policies on a real engine: what a silent container really has, what is refused, what a policy grants by name, and where links lead.
import { mkdir, realpath, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stays, until } from "../lab/wait.ts";
import { compose, fingerprints, fleetForThisFile, removeApp, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile({ nodes: 1 });
const api = () => fleet().node(1).engine.api;
const set = (name: string, policy: object) => fleet().hub.call("PUT", `/v1/policies/${name}`, { policy });
const apply = (app: string, more: Record<string, unknown>) =>
  fleet().hub.call("PUT", `/v1/apps/${app}`, { compose: compose({ web: service(more) }) });

test("[P307] (H55) a silent container has no new privileges, few capabilities, a limit of processes, and seccomp", async () => {
  await fleet().apply("quiet", compose({ web: service() }));
  await untilGood(fleet(), "quiet");
  const { output } = await api().exec("quiet-web-1", ["cat", "/proc/1/status"]);
  const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(output)?.[1] ?? "";
  expect([field("NoNewPrivs"), field("Seccomp")]).toEqual(["1", "2"]);
  // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE: bits 0, 1, 3 to 8, 10.
  for (const set of ["CapEff", "CapPrm", "CapBnd"])
    expect([set, Number.parseInt(field(set), 16)]).toEqual([set, 0x5fb]);
  const { HostConfig } = await api().inspect("quiet-web-1");
  expect(HostConfig).toMatchObject({ PidsLimit: 1_024, Privileged: false, CapDrop: ["ALL"] });
  expect(HostConfig["SecurityOpt"]).toContain("no-new-privileges");
  await removeApp(fleet(), "quiet");
});

/** Each process starts two more, for ever. */
const BOMB = "bomb() { bomb | bomb & }; bomb; sleep 3600";

test("(H55) a fork bomb fills its own limit of processes and nothing else: the node answers, and it is removed", async () => {
  await fleet().apply("bomb", compose({ web: service({ command: ["sh", "-c", BOMB], stop_grace_period: "0s" }) }));
  await fleet().apply("beside", compose({ web: service() }));
  const processes = () => api().processes("bomb-web-1");
  await until("it has all that it is given", async () => (await processes()) >= 1_000, SOON_MS);
  await untilGood(fleet(), "beside");
  const before = await fingerprints(fleet(), "beside");
  await stays("it gets no more", async () => (await processes()) <= 1_024, 3_000);
  await untilGood(fleet(), "beside");
  await removeApp(fleet(), "bomb");
  expect(await fingerprints(fleet(), "beside")).toEqual(before);
  await removeApp(fleet(), "beside");
});

test("[P309] (H47) (H48) (H50) what is not granted is refused; a device and a host path that a policy grants are there", async () => {
  const shared = join(await realpath(fleet().lab.folder), "policy-shared");
  await mkdir(shared, { recursive: true });
  await writeFile(join(shared, "hello"), "from the machine");
  const wanted = { devices: ["/dev/zero:/dev/spare:r"], volumes: [`${shared}:/shared:ro`] };
  const refused = await apply("granted", wanted);
  expect([refused.status, refused.body.code]).toEqual([422, "policy-refused"]);
  await set("granted", { apps: ["granted"], grants: { devices: ["/dev/zero"], hostPaths: [{ path: shared }] } });
  expect((await apply("granted", wanted)).status).toBe(200);
  await untilGood(fleet(), "granted");
  const said = await api().exec("granted-web-1", ["sh", "-c", "cat /shared/hello; head -c 2 /dev/spare | wc -c"]);
  expect(said.output).toMatch(/from the machine\s*2/);
  // Read only was granted, so nothing else may be asked for.
  expect((await apply("granted", { ...wanted, volumes: [`${shared}:/shared`] })).body.code).toBe("policy-refused");

  // A link in there to the machine's /etc passes the hub, which cannot see it, and not the node.
  await symlink("/etc", join(shared, "link"));
  expect((await apply("granted", { ...wanted, volumes: [`${shared}/link:/shared:ro`] })).status).toBe(200);
  await until(
    "[P319] the node refuses what the link leads to",
    async () =>
      (await fleet().skerry(["why", "granted/web/1"])).stdout.replaceAll(/\s+/g, " ").includes("refuses it by policy"),
    SOON_MS,
  );
  await removeApp(fleet(), "granted");
});
