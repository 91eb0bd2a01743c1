// The first user, by the link that the hub printed. Whoever has its code becomes admin, once.
import { EVERYTHING } from "../../core/permission.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import { type Accounts, hashOf } from "../login/accounts.ts";
import { refuseForeign, refuseInClear } from "../login/browser.ts";
import { writeAs } from "../write.ts";

const ROLE = "admin";

export function setUpHandlers(deps: HttpDeps, accounts: Accounts): HandlersOf<"setUp"> {
  return {
    setUp: async ({ body: { code, name, password }, request }) => {
      refuseForeign(request, "body");
      refuseInClear(request);
      refuseWrong(deps, accounts, code);
      const hash = await hashOf(accounts, password, name);
      // Somebody else may have been first meanwhile.
      refuseWrong(deps, accounts, code);
      const command = { kind: "add-user", user: name, password: hash, role: ROLE, scope: EVERYTHING, onlyFirst: true };
      writeAs(deps, request, { actor: "set-up link", account: null }, { ...command, kind: "add-user" });
      accounts.setUp.end();
      return { name, role: ROLE };
    },
  };
}

function refuseWrong({ store }: HttpDeps, { setUp }: Accounts, code: string): void {
  if (setUp.isRight(code) && store.users().length === 0) return;
  throw new HttpError("setup-refused", "The set-up link does not count, or no more. Nothing was changed.");
}
