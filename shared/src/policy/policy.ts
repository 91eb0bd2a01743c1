// Policy: what the containers of some apps, on some nodes, may ask of a machine. The hub keeps policies; what they come to for one
// workload on one node travels in its assignment. Closed: an unknown field or profile is refused, on both sides.
import * as z from "zod/mini";
import { appNameSchema } from "../model/ids.ts";
import { NO_GRANTS, NO_RULES } from "./profiles.ts";

/** Longer than any real path, label or option of which there is one. */
const MAX_TEXT = 255;
/** Of one policy, of each kind; who needs more of them wants a `*` or another profile. */
const MAX_ITEMS = 100;

const text = () =>
  z.string().check(z.minLength(1), z.maxLength(MAX_TEXT), z.regex(/^[^\p{Cc}]*$/u, "control characters are refused"));
const list = <T extends z.core.$ZodType>(item: T) => z._default(z.array(item).check(z.maxLength(MAX_ITEMS)), []);
/** Absolute, without `.`, `..`, `//` or a slash at its end; as it must stand in a file to be compared at all. */
const path = (end: string) =>
  z
    .string()
    .check(
      z.maxLength(MAX_TEXT),
      z.regex(new RegExp(`^(?:/(?!\\.{1,2}(?:/|$))[^/*\\p{Cc}]+)+${end}$`, "u"), "an absolute path, without . and .."),
    );

export const profileSchema = z.enum(["restricted", "baseline", "privileged"]);
export type Profile = z.infer<typeof profileSchema>;

export const hostNamespaceSchema = z.enum(["network", "pid", "ipc", "uts", "user", "cgroup"]);
export type HostNamespace = z.infer<typeof hostNamespaceSchema>;

/** What is allowed beyond the profile, by name. Devices, sysctls and volumes take one `*` at their end. */
export const grantsSchema = z.strictObject({
  devices: list(path("\\*?")),
  deviceCgroupRules: list(text()),
  hostPaths: list(z.strictObject({ path: path(""), readOnly: z._default(z.boolean(), true) })),
  /** Without CAP_, in capitals; ALL: all of them. */
  capabilities: list(z.string().check(z.regex(/^[A-Z_]{2,40}$/, "a capability in capitals, without CAP_"))),
  sysctls: list(text()),
  hostNamespaces: list(hostNamespaceSchema),
  runtimes: list(text()),
  /** As in the file: "seccomp=unconfined". */
  securityOptions: list(text()),
  /** Engine names of volumes that are not the app's own. */
  volumes: list(text()),
});
export type Grants = z.infer<typeof grantsSchema>;

/** What is demanded beyond the profile. */
export const rulesSchema = z.strictObject({
  /** "registry.example", or "registry.example/team" for what is below it; empty: any. */
  registries: list(text()),
  requireDigest: z._default(z.boolean(), false),
  forbidLatest: z._default(z.boolean(), false),
  requireMemoryLimit: z._default(z.boolean(), false),
  requireReadOnlyRoot: z._default(z.boolean(), false),
  requireNonRoot: z._default(z.boolean(), false),
});
export type Rules = z.infer<typeof rulesSchema>;

export const policyNameSchema = z
  .string()
  .check(z.regex(/^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/, "small letters and digits, with - and _ between them"));

/** What an operator writes. */
export const policyFieldsSchema = z.strictObject({
  profile: z._default(profileSchema, "restricted"),
  /** `audit`: what goes beyond the profile and these rules is told, and allowed. */
  mode: z._default(z.enum(["enforce", "audit"]), "enforce"),
  /** Bound to these apps; empty: all. */
  apps: list(appNameSchema),
  /** Bound to nodes that have one of these labels, "gpio=yes"; empty: all. */
  nodeLabels: list(z.string().check(z.maxLength(512), z.regex(/^[^=\p{Cc}]+=[^\p{Cc}]*$/u, "a label as KEY=VALUE"))),
  grants: z._default(grantsSchema, NO_GRANTS),
  rules: z._default(rulesSchema, NO_RULES),
});
export type PolicyFields = z.infer<typeof policyFieldsSchema>;

/** `revision`: 1, 2, …, one more with each change. */
export interface Policy extends PolicyFields {
  readonly name: string;
  readonly revision: number;
}

/** What all policies that are bound to one app on one node come to. `rules`: each of them must hold. */
export const resolvedPolicySchema = z.strictObject({
  profile: profileSchema,
  mode: z.enum(["enforce", "audit"]),
  grants: grantsSchema,
  rules: z.array(rulesSchema).check(z.maxLength(MAX_ITEMS)),
});
export type ResolvedPolicy = z.infer<typeof resolvedPolicySchema>;
