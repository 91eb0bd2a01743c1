// What the audit log says of commands about users and sessions: the target, and what it was and becomes. No hash, code or secret is in it.
import type { Change } from "./core/change.ts";
import type { People } from "./core/command.ts";
import { scopeText } from "./core/permission.ts";
import type { Proof, User } from "./core/user.ts";
import type { UserCommand } from "./core/user-command.ts";

/** As in `Audited`, before it is bounded. */
export interface UserWords {
  readonly target: string;
  readonly before: string | null;
  readonly after: string | null;
}

export function userWords(command: UserCommand, changes: readonly Change[], people: People | null): UserWords {
  const before = people?.users.find(({ name }) => name === command.user);
  const set = changes.findLast((change) => change.kind === "user-set");
  const ended = changes.filter((change) => change.kind === "session-removed").length;
  const after = set?.kind === "user-set" ? set.user : before;
  const about = (was: string | null, is: string | null): UserWords => ({
    target: `user/${command.user}`,
    before: was,
    after: is,
  });
  switch (command.kind) {
    case "add-user":
    case "set-user-role":
    case "set-user-enabled":
      return about(words(before), words(after));
    case "remove-user":
      return about(words(before), null);
    case "set-password":
      return about(null, `new password${by(command.proof)}, sessions ended: ${ended}`);
    case "open-session": {
      const opened = changes.find((change) => change.kind === "session-set");
      return about(null, `session ${opened?.kind === "session-set" ? opened.session.id : ""}${by(command.proof)}`);
    }
    case "close-sessions":
      return about(command.id === null ? `${ended} sessions` : `session ${command.id}`, null);
    case "begin-second-factor":
      return about("no second factor", "second factor begun");
    case "confirm-second-factor":
      return about("second factor begun", "second factor on");
    case "renew-recovery-codes":
      return about(null, `new recovery codes${by(command.proof)}`);
    case "remove-second-factor":
      return about("second factor on", `no second factor${by(command.proof)}`);
  }
}

function words(user: User | undefined): string | null {
  if (user === undefined) return null;
  return `${user.role} for ${scopeText(user.scope)}${user.disabled ? ", disabled" : ""}`;
}

function by({ kind }: Proof): string {
  if (kind === "none") return "";
  return kind === "code" ? " by code" : " by recovery code";
}
