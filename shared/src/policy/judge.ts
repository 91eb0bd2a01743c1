// Judge: the one validator. What a container asks for, against what policies come to for its app on its node. Pure: the same code on the hub,
// before anything is accepted, and on every node, before anything is made.
import { imageName } from "../model/image-name.ts";
import { type Ask, asksOf, type Grantable, isRoot, type Subject } from "./asks.ts";
import { fits, isAtOrBelow } from "./paths.ts";
import type { Grants, ResolvedPolicy, Rules } from "./policy.ts";
import { isWithin, RESTRICTED } from "./profiles.ts";

export interface Violation {
  /** As in the file: "devices". */
  readonly field: string;
  readonly rule: string;
  readonly value: string;
  /** What is asked for and why it is refused, in one sentence without its end. */
  readonly message: string;
  /** What to do: change the file, or which lines a policy would need. */
  readonly hint: string;
}

/** Empty: it is allowed. `closed`: as for `asksOf`. In the order of the fields. */
export function judge(
  subject: Subject,
  policy: ResolvedPolicy = RESTRICTED,
  closed: readonly string[] = [],
): readonly Violation[] {
  const asks = asksOf(subject, closed).filter((one) => isBeyond(one, policy));
  return [...asks.map((one) => askViolation(one, policy)), ...policy.rules.flatMap((rules) => rulesOf(subject, rules))];
}

function isBeyond(one: Ask, { profile, mode, grants }: ResolvedPolicy): boolean {
  if (one.needs === "never") return true;
  if (mode === "audit" || isWithin(one.needs, profile)) return false;
  return one.grant === null || !isGranted(one.grant, grants);
}

function isGranted(wanted: Grantable, grants: Grants): boolean {
  switch (wanted.kind) {
    case "device":
      return grants.devices.some((pattern) => fits(pattern, wanted.path));
    case "deviceCgroupRule":
      return grants.deviceCgroupRules.includes(wanted.text);
    case "hostPath":
      return grants.hostPaths.some(
        ({ path, readOnly }) => isAtOrBelow(wanted.path, path) && (wanted.readOnly || !readOnly),
      );
    case "capability":
      return grants.capabilities.includes(wanted.name) || grants.capabilities.includes("ALL");
    case "sysctl":
      return grants.sysctls.some((pattern) => fits(pattern, wanted.name));
    case "hostNamespace":
      return grants.hostNamespaces.includes(wanted.name);
    case "runtime":
      return grants.runtimes.includes(wanted.name);
    case "securityOption":
      return grants.securityOptions.includes(wanted.text);
    case "volume":
      return grants.volumes.some((pattern) => fits(pattern, wanted.name));
  }
}

/** The lines of a policy that would allow it: "grants: { devices: [/dev/ttyUSB0] }". */
export function grantText(wanted: Grantable): string {
  const entry = (key: keyof Grants, value: string): string => `grants: { ${key}: [${value}] }`;
  switch (wanted.kind) {
    case "device":
      return entry("devices", JSON.stringify(wanted.path));
    case "deviceCgroupRule":
      return entry("deviceCgroupRules", JSON.stringify(wanted.text));
    case "hostPath":
      return entry("hostPaths", `{ path: ${JSON.stringify(wanted.path)}, readOnly: ${wanted.readOnly} }`);
    case "capability":
      return entry("capabilities", wanted.name);
    case "sysctl":
      return entry("sysctls", JSON.stringify(wanted.name));
    case "hostNamespace":
      return entry("hostNamespaces", wanted.name);
    case "runtime":
      return entry("runtimes", JSON.stringify(wanted.name));
    case "securityOption":
      return entry("securityOptions", JSON.stringify(wanted.text));
    case "volume":
      return entry("volumes", JSON.stringify(wanted.name));
  }
}

/** A file may hold 32 KiB where an option belongs. */
const MAX_SHOWN = 120;
const shown = (value: string): string => (value.length <= MAX_SHOWN ? value : `${value.slice(0, MAX_SHOWN)}…`);

function askViolation({ field, rule, value, needs, grant }: Ask, { profile }: ResolvedPolicy): Violation {
  const said = `\`${field}\` asks for ${shown(value)}`;
  if (needs === "never")
    return { field, rule, value, message: `${said}, which no policy allows`, hint: "Take it out of the file." };
  const asWell = grant === null ? "" : `; or one that grants it by name: \`${grantText(grant)}\``;
  return {
    ...{ field, rule, value },
    message: `${said}, which the profile ${profile} does not allow`,
    hint: `Take it out of the file, or let somebody with policy:manage set a policy with \`profile: ${needs}\`${asWell} (skerry policy set FILE).`,
  };
}

// --- rules

const broken = (field: string, rule: string, value: string, message: string, hint: string): Violation => ({
  ...{ field, rule, value, message, hint },
});

function rulesOf({ spec }: Subject, rules: Rules): readonly Violation[] {
  const { image, user } = spec;
  const isId = /^sha256:[0-9a-f]{64}$/.test(image);
  const named = isId ? null : imageName(image);
  const hasDigest = isId || named?.version.startsWith("sha256:") === true;
  const path = named === null ? image : `${named.registry}/${named.repository}`;
  const { registries } = rules;
  const fromOne = named !== null && registries.some((registry) => isAtOrBelow(path, registry.replace(/\/+$/, "")));
  const numeric = user !== null && /^[0-9]+(?::|$)/.test(user) && !isRoot(user);
  const found: Violation[] = [];
  if (registries.length > 0 && !fromOne) {
    const from = isId ? "is an image's id, which no registry vouches for" : `comes from ${shown(path)}`;
    const hint = `Use an image from ${registries.slice(0, 5).join(" or ")}.`;
    found.push(broken("image", "registries", image, `\`image\` ${from}, and a policy allows others only`, hint));
  }
  if (rules.requireDigest && !hasDigest) {
    const hint = "Write it as NAME@sha256:….";
    found.push(broken("image", "require-digest", image, "`image` has no digest, and a policy asks for one", hint));
  }
  if (rules.forbidLatest && named?.version === "latest") {
    const hint = "Name a version: NAME:1.4.";
    found.push(
      broken("image", "forbid-latest", image, "`image` means whatever is latest, which a policy forbids", hint),
    );
  }
  if (rules.requireMemoryLimit && (spec.memoryBytes ?? 0) <= 0) {
    const hint = "Add deploy.resources.limits.memory, or mem_limit.";
    found.push(
      broken("mem_limit", "require-memory-limit", "none", "it has no memory limit, and a policy asks for one", hint),
    );
  }
  if (rules.requireReadOnlyRoot && !spec.readOnlyRootfs) {
    const message = "its root file system may be written to, which a policy forbids";
    found.push(
      broken(
        "read_only",
        "require-read-only-root",
        "false",
        message,
        "Add `read_only: true`, and tmpfs where it must write.",
      ),
    );
  }
  if (rules.requireNonRoot && !numeric) {
    const message = "`user` is not a number other than 0, and a policy asks for one";
    found.push(broken("user", "require-non-root", user ?? "none", message, 'Write it as a number: user: "1000:1000".'));
  }
  return found;
}
