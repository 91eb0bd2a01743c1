// Commands: what operators and joining machines may ask of the hub, what a handler is told besides, and what comes of it: outcome or refusal.
// Nothing that is random, stored elsewhere or read from a clock is looked up by a handler: it comes in through the context.
import type { AppSpec } from "@skerry/shared/model/app.ts";
import type {
  AppName,
  InstallationId,
  NodeId,
  NodeName,
  PublicKey,
  Revision,
  ServiceName,
  SpecHash,
} from "@skerry/shared/model/ids.ts";
import type { NodeFacts } from "@skerry/shared/model/node.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import type { Policy, PolicyFields } from "@skerry/shared/policy/policy.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { Result } from "@skerry/shared/runtime/result.ts";
import type { ApiToken, Change, JoinToken, RevokedKey } from "./change.ts";
import type { KeyRoll } from "./key-roll.ts";
import type { Binding, Role } from "./permission.ts";
import type { Session, User } from "./user.ts";
import type { UserCommand, UserOutcome } from "./user-command.ts";
import type { FreshVersion, OwnValue, StoredValue, ValueId } from "./value.ts";
import type { WishTarget } from "./wishes.ts";
import type { AppRevision, Availability, Standing } from "./world.ts";

/** `ifRevision`: null applies whatever there is; 0 only when the app does not exist; else only over exactly that revision. */
export type Command =
  | {
      readonly kind: "apply-app";
      readonly spec: AppSpec;
      readonly source: string;
      readonly ifRevision: number | null;
      /** What failed before is tried again. */
      readonly retry: boolean;
      /** Windows and holds do not count for this revision. */
      readonly force: boolean;
      /** New versions of the values that came with the file; none when left out. */
      readonly values?: readonly OwnValue[];
    }
  | { readonly kind: "remove-app"; readonly app: AppName; readonly ifRevision: number | null }
  | {
      readonly kind: "set-node-labels";
      readonly node: NodeId;
      readonly set: Readonly<Record<string, string>>;
      readonly unset: readonly string[];
    }
  /** `drainForMs`: draining, how long what may not move is left running; null: for ever. null too when not draining. */
  | {
      readonly kind: "set-availability";
      readonly node: NodeId;
      readonly availability: Availability;
      readonly reason: string;
      readonly drainForMs: number | null;
    }
  | { readonly kind: "remove-node"; readonly node: NodeId }
  | StandingCommand
  /** The token's secret was checked at the door; uses and expiry are checked here. */
  | {
      readonly kind: "join-node";
      readonly publicKey: PublicKey;
      readonly name: NodeName;
      readonly labels: Readonly<Record<string, string>>;
      readonly facts: NodeFacts | null;
      readonly tokenId: string;
    }
  | {
      readonly kind: "create-token";
      readonly uses: number;
      readonly expiresInMs: number;
      readonly labels: Readonly<Record<string, string>>;
      readonly approval: boolean;
    }
  | { readonly kind: "remove-token"; readonly id: string }
  /** A new revision with other replicas and nothing else. */
  | {
      readonly kind: "scale";
      readonly app: AppName;
      readonly service: ServiceName;
      readonly replicas: number;
      readonly ifRevision: number | null;
    }
  | RolloutCommand
  | WishCommand
  | PeopleCommand
  | PolicyCommand
  | UserCommand
  | ValueCommand;

/** `specs`: those of the apps that use it now, with the new version in them. `fresh` null: the content is what it was. */
export type ValueCommand =
  | {
      readonly kind: "set-value";
      readonly value: ValueId;
      /** null: as it is for already; a new one for none by name. */
      readonly apps: readonly AppName[] | null;
      readonly fresh: FreshVersion | null;
      readonly specs: readonly AppSpec[];
    }
  | { readonly kind: "remove-value"; readonly value: ValueId }
  /** The keys of contents under a newer key of the ring. */
  | {
      readonly kind: "rewrap-values";
      readonly items: readonly { readonly ref: ValueRef; readonly key: string; readonly wrapped: string }[];
    };

/** Whether the caller may give what these give is judged at the door. */
export type PeopleCommand =
  | ({ readonly kind: "create-api-token"; readonly name: string; readonly expiresInMs: number } & Binding)
  | { readonly kind: "remove-api-token"; readonly id: string }
  | { readonly kind: "set-role"; readonly role: Role }
  | { readonly kind: "remove-role"; readonly name: string };

/** Whether a node is trusted. `revoke-node`: it is forgotten, and its key is refused from then on. */
export type StandingCommand =
  | { readonly kind: "approve-node"; readonly node: NodeId }
  | { readonly kind: "unfreeze-node"; readonly node: NodeId }
  | { readonly kind: "revoke-node"; readonly node: NodeId }
  /** It is to get another key. */
  | { readonly kind: "roll-node-key"; readonly node: NodeId };
/** `ifRevision`: null whatever there is; 0 only when it does not exist; else only over exactly that revision. */
export type PolicyCommand =
  | {
      readonly kind: "set-policy";
      readonly name: string;
      readonly fields: PolicyFields;
      readonly ifRevision: number | null;
    }
  | { readonly kind: "remove-policy"; readonly name: string; readonly ifRevision: number | null };

/** `to` null: the last good revision; when that is the present one, what was good before it. `reason`: the operator's own words, or "". */
export type RolloutCommand =
  | { readonly kind: "pause-rollout"; readonly app: AppName; readonly reason: string }
  | { readonly kind: "resume-rollout"; readonly app: AppName }
  | { readonly kind: "undo-rollout"; readonly app: AppName; readonly to: Revision | null; readonly reason: string };

/** `reason`: the operator's own words; "" when none were given. */
export type WishCommand =
  | { readonly kind: "set-stopped"; readonly target: WishTarget; readonly stopped: boolean; readonly reason: string }
  | { readonly kind: "restart"; readonly target: WishTarget; readonly reason: string }
  | { readonly kind: "set-paused"; readonly app: AppName; readonly paused: boolean; readonly reason: string };

/** What the caller looked up or made for this one command. A command that does not need a field gets null or 0. */
export interface CommandContext {
  /** Who asks: "admin", "token 1a2b". */
  readonly actor: string;
  /** Hub's wall clock: token expiry, and for showing. */
  readonly wallMs: WallMillis;
  /** apply-app, scale: `store.lastRevision(app)`; 0: the name is new. */
  readonly lastRevision: Revision;
  /** join-node, remove-token: the stored token of that id. */
  readonly token: JoinToken | null;
  /** join-node: the node that already has this key, or named it to be its next. */
  readonly keyHolder: NodeId | null;
  /** join-node: the key was revoked; null: it was not. */
  readonly revoked: RevokedKey | null;
  /** revoke-node: the node's key. */
  readonly nodeKey: PublicKey | null;
  /** join-node: a fresh random id. */
  readonly freshNodeId: NodeId | null;
  /** create-token, create-api-token, open-session: a fresh id and the hash of its fresh secret. */
  readonly freshToken: { readonly id: string; readonly secretHash: SpecHash } | null;
  /** undo-rollout: the older revision to go back to; null: there is none. */
  readonly undoTo: AppRevision | null;
  /** Of the commands about people. */
  readonly people: People | null;
  /** Of the commands that touch secrets and configs: all that are stored. */
  readonly values: readonly StoredValue[] | null;
}

/** API tokens, own roles and users as they are stored; decisions need none of them, so the World has none. */
export interface People {
  readonly tokens: readonly ApiToken[];
  readonly roles: readonly Role[];
  readonly users: readonly User[];
  /** Of the user that a command is about. */
  readonly sessions: readonly Session[];
}

/** policy 422 · conflict 409 · failed-before 409 · not-found 404 · invalid 422 · limit 422 · token-refused 401 · key-revoked 403 · overtaken 401 */
export type RefusalCode =
  | "policy"
  | "failed-before"
  | "conflict"
  | "not-found"
  | "invalid"
  | "limit"
  | "token-refused"
  | "key-revoked"
  /** What was checked for this command is so no more. */
  | "overtaken";

export interface CommandRefusal {
  readonly code: RefusalCode;
  /** What happened, to what. */
  readonly message: string;
  /** What to do next. */
  readonly hint: string;
  /** The field that is wrong; null: none in particular. */
  readonly path: string | null;
}

export type CommandOutcome =
  | {
      readonly kind: "app-applied";
      readonly app: AppName;
      readonly revision: Revision;
      readonly created: boolean;
      /** The same spec as before: no new revision was made. */
      readonly unchanged: boolean;
    }
  | { readonly kind: "app-removed"; readonly app: AppName }
  /** `sameAs`: for an undo, the revision whose content it has. `changed` false: it was so already. */
  | {
      readonly kind: "rollout-changed";
      readonly app: AppName;
      readonly revision: Revision;
      readonly sameAs: Revision | null;
      readonly changed: boolean;
    }
  /** false: it was wished so already. */
  | { readonly kind: "wish-changed"; readonly app: AppName; readonly changed: boolean }
  | { readonly kind: "node-changed"; readonly node: NodeId }
  | { readonly kind: "node-removed"; readonly node: NodeId }
  /** `changed` false: it was so already. */
  | { readonly kind: "standing-changed"; readonly node: NodeId; readonly standing: Standing; readonly changed: boolean }
  | { readonly kind: "node-revoked"; readonly node: NodeId }
  /** `changed` false: it was asked for already. */
  | { readonly kind: "key-roll-asked"; readonly node: NodeId; readonly keyRoll: KeyRoll; readonly changed: boolean }
  | {
      readonly kind: "node-joined";
      readonly node: NodeId;
      readonly name: NodeName;
      readonly installation: InstallationId;
      /** The same key had joined before: nothing changed, no use was spent. */
      readonly repeated: boolean;
    }
  | { readonly kind: "token-created"; readonly token: JoinToken }
  | { readonly kind: "token-removed"; readonly id: string }
  | { readonly kind: "api-token-created"; readonly token: ApiToken }
  | { readonly kind: "api-token-removed"; readonly token: ApiToken }
  /** `changed` false: it was so already. */
  | { readonly kind: "role-changed"; readonly role: Role; readonly changed: boolean }
  | { readonly kind: "role-removed"; readonly name: string }
  | { readonly kind: "policy-changed"; readonly policy: Policy; readonly changed: boolean }
  | { readonly kind: "policy-removed"; readonly name: string }
  | UserOutcome
  /** `revised`: apps that use it and get a new revision by it. `changed` false: it was so already. */
  | {
      readonly kind: "value-set";
      readonly value: ValueId;
      readonly version: string;
      readonly created: boolean;
      readonly changed: boolean;
      readonly revised: readonly { readonly app: AppName; readonly revision: Revision }[];
    }
  | { readonly kind: "value-removed"; readonly value: ValueId }
  | { readonly kind: "values-rewrapped"; readonly count: number };

export interface Handled {
  readonly changes: readonly Change[];
  readonly outcome: CommandOutcome;
}
export type HandleResult = Result<Handled, CommandRefusal>;
