// Resolve: what several policies come to for one app on one node. Pure. Grants and profiles add up, rules all hold; so a policy can only be
// narrowed by another one's rules, and widened by who may write policies.
import type { Grants, Policy, ResolvedPolicy, Rules } from "./policy.ts";
import { isWithin, NO_GRANTS, RESTRICTED } from "./profiles.ts";

export type Bound = Pick<Policy, "apps" | "nodeLabels">;

export const isAboutApp = ({ apps }: Bound, app: string): boolean =>
  apps.length === 0 || apps.some((name) => name === app);

/** A label's value may hold "=", its key may not. */
export function isAboutNode({ nodeLabels }: Bound, labels: Readonly<Record<string, string>>): boolean {
  return (
    nodeLabels.length === 0 ||
    nodeLabels.some((label) => {
      const at = label.indexOf("=");
      const key = label.slice(0, at);
      return Object.hasOwn(labels, key) && labels[key] === label.slice(at + 1);
    })
  );
}

/** `strict`: as if no policy were in audit mode, to see what that hides. None: `restricted`, and the same object each time. */
export function resolved(policies: readonly Policy[], strict = false): ResolvedPolicy {
  if (policies.length === 0) return RESTRICTED;
  const audits = !strict && policies.some(({ mode }) => mode === "audit");
  const rules = policies.filter(({ mode }) => strict || mode === "enforce").map((policy) => policy.rules);
  return {
    profile: policies.reduce<Policy["profile"]>(
      (widest, { profile }) => (isWithin(profile, widest) ? widest : profile),
      "restricted",
    ),
    mode: audits ? "audit" : "enforce",
    grants: policies.reduce((all, { grants }) => together(all, grants), NO_GRANTS),
    rules: rules.filter(saysSomething),
  };
}

function together(a: Grants, b: Grants): Grants {
  return {
    devices: union(a.devices, b.devices),
    deviceCgroupRules: union(a.deviceCgroupRules, b.deviceCgroupRules),
    hostPaths: [...a.hostPaths, ...b.hostPaths],
    capabilities: union(a.capabilities, b.capabilities),
    sysctls: union(a.sysctls, b.sysctls),
    hostNamespaces: union(a.hostNamespaces, b.hostNamespaces),
    runtimes: union(a.runtimes, b.runtimes),
    securityOptions: union(a.securityOptions, b.securityOptions),
    volumes: union(a.volumes, b.volumes),
  };
}

const union = <T>(a: readonly T[], b: readonly T[]): T[] => [...new Set([...a, ...b])];

export const saysSomething = ({ registries, ...flags }: Rules): boolean =>
  registries.length > 0 || Object.values(flags).some((flag) => flag);
