// Users and sessions: what becomes of the commands about them. Pure. Passwords and codes were checked before, and whether the caller may give
// so much at the door; what may have changed meanwhile is looked at again here.

import { assert, assertNever } from "@skerry/shared/runtime/assert.ts";
import { ok } from "@skerry/shared/runtime/result.ts";
import type { Change } from "./change.ts";
import type { Command, CommandContext, CommandOutcome, HandleResult, People } from "./command.ts";
import { sorted } from "./lookup.ts";
import { MAX_SCOPE, NAME, NAME_RULE } from "./people-command.ts";
import { type Binding, isBuiltinRole, scopeText } from "./permission.ts";
import { refuse } from "./refuse.ts";
import {
  MAX_SESSIONS_EACH,
  MAX_USERS,
  type PasswordHash,
  type Proof,
  type SecondFactor,
  type Session,
  sessionEndMs,
  type User,
} from "./user.ts";

/** `checkedSalt`: of the password that was checked for this; another one has been set since when it differs. */
export type UserCommand =
  /** `onlyFirst`: only as long as there is no user. */
  | ({
      readonly kind: "add-user";
      readonly user: string;
      readonly password: PasswordHash;
      readonly onlyFirst: boolean;
    } & Binding)
  | ({ readonly kind: "set-user-role"; readonly user: string } & Binding)
  | { readonly kind: "set-user-enabled"; readonly user: string; readonly enabled: boolean }
  /** `checkedSalt` null: by somebody who may manage users. */
  | {
      readonly kind: "set-password";
      readonly user: string;
      readonly password: PasswordHash;
      readonly checkedSalt: string | null;
      readonly proof: Proof;
    }
  | { readonly kind: "remove-user"; readonly user: string }
  /** `replaces`: the caller's session of before. */
  | {
      readonly kind: "open-session";
      readonly user: string;
      readonly checkedSalt: string;
      readonly proof: Proof;
      readonly replaces: string | null;
    }
  /** `id` null: all of the user's. */
  | { readonly kind: "close-sessions"; readonly user: string; readonly id: string | null }
  | {
      readonly kind: "begin-second-factor";
      readonly user: string;
      readonly checkedSalt: string;
      readonly sealedSecret: string;
    }
  /** `sealedSecret`: the one that the code fitted. */
  | {
      readonly kind: "confirm-second-factor";
      readonly user: string;
      readonly sealedSecret: string;
      readonly step: number;
      readonly recoveryHashes: Extract<SecondFactor, { kind: "on" }>["recoveryHashes"];
    }
  | {
      readonly kind: "renew-recovery-codes";
      readonly user: string;
      readonly checkedSalt: string;
      readonly proof: Proof;
      readonly recoveryHashes: Extract<SecondFactor, { kind: "on" }>["recoveryHashes"];
    }
  /** `checkedSalt` null: by somebody who may manage users. */
  | {
      readonly kind: "remove-second-factor";
      readonly user: string;
      readonly checkedSalt: string | null;
      readonly proof: Proof;
    };

export type UserOutcome =
  /** `changed` false: it was so already. */
  | { readonly kind: "user-changed"; readonly user: User; readonly changed: boolean }
  | { readonly kind: "user-removed"; readonly name: string }
  | { readonly kind: "session-opened"; readonly session: Session; readonly user: User }
  | { readonly kind: "sessions-closed"; readonly count: number };

const ABOUT_USERS: Readonly<Record<UserCommand["kind"], true>> = {
  "add-user": true,
  "set-user-role": true,
  "set-user-enabled": true,
  "set-password": true,
  "remove-user": true,
  "open-session": true,
  "close-sessions": true,
  "begin-second-factor": true,
  "confirm-second-factor": true,
  "renew-recovery-codes": true,
  "remove-second-factor": true,
};
export const isAboutUsers = (command: Command): command is UserCommand => Object.hasOwn(ABOUT_USERS, command.kind);

export function handleUsers(command: UserCommand, context: CommandContext): HandleResult {
  const { people } = context;
  assert(people !== null, `${command.kind} without users and sessions`);
  if (command.kind === "add-user") return addUser(command, context, people);
  const user = people.users.find(({ name }) => name === command.user);
  if (user === undefined)
    return refuse("not-found", `there is no user ${command.user}`, "skerry user ls lists them", "user");
  switch (command.kind) {
    case "set-user-role":
      return setRole(command, user, context, people);
    case "set-user-enabled":
      return setEnabled(command.enabled, user, context, people);
    case "remove-user":
      return ok({
        changes: [
          ...closing(people.sessions),
          { kind: "user-removed", name: user.name },
          said(user, "removed", context),
        ],
        outcome: { kind: "user-removed", name: user.name },
      });
    case "close-sessions":
      return closeSessions(command.id, people);
    case "begin-second-factor":
      return beginSecondFactor(command, user);
    case "confirm-second-factor":
      return confirmSecondFactor(command, user, context);
    case "set-password":
    case "open-session":
    case "renew-recovery-codes":
    case "remove-second-factor":
      return proven(command, user, context, people);
    default:
      return assertNever(command);
  }
}

type AddUser = Extract<UserCommand, { readonly kind: "add-user" }>;

function addUser(command: AddUser, context: CommandContext, people: People): HandleResult {
  const { user: name, role, password } = command;
  if (!NAME.test(name)) return refuse("invalid", `a user's name is made of ${NAME_RULE}`, "name him so", "name");
  if (command.onlyFirst && people.users.length > 0)
    return refuse("invalid", "there is a user already", "he, or the admin token, makes others: skerry user add");
  if (people.users.some((user) => user.name === name))
    return refuse("invalid", `there is a user ${name} already`, "take another name, or skerry user passwd", "name");
  const problem = bindingProblem(command, people);
  if (problem !== null) return problem;
  if (people.users.length >= MAX_USERS)
    return refuse("limit", `there are ${MAX_USERS} users, which is the most`, "remove some: skerry user ls");
  const user: User = {
    ...{ name, password, role, scope: sortedScope(command.scope) },
    ...{ disabled: false, secondFactor: { kind: "none" } },
    ...{ createdAtMs: context.wallMs, createdBy: context.actor },
  };
  return changed(user, `added with role ${role} for ${scopeText(user.scope)}`, context);
}

function bindingProblem({ role, scope }: Binding, people: People): HandleResult | null {
  if (!isBuiltinRole(role) && !people.roles.some((own) => own.name === role))
    return refuse("invalid", `there is no role ${role}`, "skerry role ls lists them", "role");
  if (scope.apps.length > MAX_SCOPE || scope.nodeLabels.length > MAX_SCOPE)
    return refuse(
      "limit",
      `a user is bound to at most ${MAX_SCOPE} apps and ${MAX_SCOPE} node labels`,
      "bind him to everything, with a role that holds less",
    );
  return null;
}

const sortedScope = ({ apps, nodeLabels }: Binding["scope"]): Binding["scope"] => ({
  apps: sorted(new Set(apps)),
  nodeLabels: sorted(new Set(nodeLabels)),
});

type SetUserRole = Extract<UserCommand, { readonly kind: "set-user-role" }>;

/** His sessions end: what is open with them was let in by the role of before. */
function setRole(command: SetUserRole, user: User, context: CommandContext, people: People): HandleResult {
  const problem = bindingProblem(command, people);
  if (problem !== null) return problem;
  const scope = sortedScope(command.scope);
  if (user.role === command.role && scopeText(user.scope) === scopeText(scope)) return unchanged(user);
  return changed(
    { ...user, role: command.role, scope },
    `given role ${command.role} for ${scopeText(scope)}`,
    context,
    closing(people.sessions),
  );
}

function setEnabled(enabled: boolean, user: User, context: CommandContext, people: People): HandleResult {
  if (user.disabled === !enabled) return unchanged(user);
  return changed({ ...user, disabled: !enabled }, enabled ? "enabled" : "disabled", context, closing(people.sessions));
}

function closeSessions(id: string | null, { sessions }: People): HandleResult {
  const closed = sessions.filter((session) => id === null || session.id === id);
  return ok({ changes: closing(closed), outcome: { kind: "sessions-closed", count: closed.length } });
}

type Begin = Extract<UserCommand, { readonly kind: "begin-second-factor" }>;

function beginSecondFactor({ checkedSalt, sealedSecret }: Begin, user: User): HandleResult {
  if (user.disabled || user.password.salt !== checkedSalt) return overtaken(user);
  if (user.secondFactor.kind === "on")
    return refuse("invalid", `${user.name} has a second factor already`, "first: skerry user totp disable");
  const after: User = { ...user, secondFactor: { kind: "pending", sealedSecret } };
  return ok({
    changes: [{ kind: "user-set", user: after }],
    outcome: { kind: "user-changed", user: after, changed: true },
  });
}

type Confirm = Extract<UserCommand, { readonly kind: "confirm-second-factor" }>;

function confirmSecondFactor(command: Confirm, user: User, context: CommandContext): HandleResult {
  const { sealedSecret, step, recoveryHashes } = command;
  const { secondFactor } = user;
  if (secondFactor.kind !== "pending" || secondFactor.sealedSecret !== sealedSecret) return overtaken(user);
  return changed(
    { ...user, secondFactor: { kind: "on", sealedSecret, lastStep: step, recoveryHashes } },
    "second factor enabled",
    context,
  );
}

type Proven = Extract<
  UserCommand,
  { readonly kind: "set-password" | "open-session" | "renew-recovery-codes" | "remove-second-factor" }
>;

/** What asks for the password again, and for the second factor of who has one. A code and a recovery code count once. */
function proven(command: Proven, found: User, context: CommandContext, people: People): HandleResult {
  let user = found;
  if (command.checkedSalt !== null) {
    if (user.disabled || user.password.salt !== command.checkedSalt) return overtaken(user);
    const spent = spend(user, command.proof);
    if (spent === null) return overtaken(user);
    user = spent;
  }
  switch (command.kind) {
    case "set-password":
      return changed(
        { ...user, password: command.password },
        "given a new password",
        context,
        closing(people.sessions),
      );
    case "open-session":
      return openSession(command.replaces, user, user !== found, context, people);
    case "renew-recovery-codes": {
      const { secondFactor } = user;
      if (secondFactor.kind !== "on") return noSecondFactor(user);
      return changed(
        { ...user, secondFactor: { ...secondFactor, recoveryHashes: command.recoveryHashes } },
        "given new recovery codes",
        context,
      );
    }
    case "remove-second-factor":
      if (user.secondFactor.kind === "none") return noSecondFactor(user);
      return changed({ ...user, secondFactor: { kind: "none" } }, "second factor removed", context);
    default:
      return assertNever(command);
  }
}

/** The user with this proof used up; null: it does not count, or no more. */
function spend(user: User, proof: Proof): User | null {
  const { secondFactor } = user;
  if (secondFactor.kind !== "on") return user;
  switch (proof.kind) {
    case "none":
      return null;
    case "code":
      return proof.step > secondFactor.lastStep
        ? { ...user, secondFactor: { ...secondFactor, lastStep: proof.step } }
        : null;
    case "recovery": {
      const left = secondFactor.recoveryHashes.filter((hash) => hash !== proof.hash);
      if (left.length === secondFactor.recoveryHashes.length) return null;
      return { ...user, secondFactor: { ...secondFactor, recoveryHashes: left } };
    }
    default:
      return assertNever(proof);
  }
}

/** Of his sessions those that are over go, the one that is replaced, and the oldest when there are too many. */
function openSession(
  replaces: string | null,
  user: User,
  isSpent: boolean,
  context: CommandContext,
  { sessions }: People,
): HandleResult {
  assert(context.freshToken !== null, "open-session without a fresh token");
  const { id, secretHash } = context.freshToken;
  const session: Session = { id, user: user.name, secretHash, createdAtMs: context.wallMs };
  // By its age alone: when it was last used is kept elsewhere.
  const isOver = (one: Session): boolean =>
    one.id === replaces || sessionEndMs(one, Number.POSITIVE_INFINITY) <= context.wallMs;
  const newestFirst = sessions.filter((one) => !isOver(one)).sort((a, b) => b.createdAtMs - a.createdAtMs);
  const changes: Change[] = [
    ...closing([...sessions.filter(isOver), ...newestFirst.slice(MAX_SESSIONS_EACH - 1)]),
    ...(isSpent ? [{ kind: "user-set", user } as const] : []),
    { kind: "session-set", session },
  ];
  return ok({ changes, outcome: { kind: "session-opened", session, user } });
}

const closing = (sessions: readonly Session[]): Change[] =>
  sessions.map(({ id }): Change => ({ kind: "session-removed", id }));

const said = ({ name }: User, what: string, { actor }: CommandContext): Change => ({
  kind: "hub-event",
  event: { kind: "user-changed", user: name, what, by: actor },
});

function changed(user: User, what: string, context: CommandContext, more: readonly Change[] = []): HandleResult {
  return ok({
    changes: [...more, { kind: "user-set", user }, said(user, what, context)],
    outcome: { kind: "user-changed", user, changed: true },
  });
}

function unchanged(user: User): HandleResult {
  const outcome: CommandOutcome = { kind: "user-changed", user, changed: false };
  return ok({ changes: [], outcome });
}

const noSecondFactor = ({ name }: User): HandleResult =>
  refuse("invalid", `${name} has no second factor`, "skerry user totp enable makes one");

/** What was checked a moment ago is no more so: another request was first, or the code was used before. */
const overtaken = ({ name }: User): HandleResult =>
  refuse(
    "overtaken",
    `what ${name} showed does not count, or no more: each code counts once`,
    "try again, with a new code",
  );
