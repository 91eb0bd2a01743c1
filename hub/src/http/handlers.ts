// The handlers of all JSON routes in one table, exhaustive by its type: a route without a handler does not compile.
import type { HttpDeps } from "./deps.ts";
import type { Handlers } from "./handler.ts";
import type { Accounts } from "./login/accounts.ts";
import { apiTokenHandlers } from "./routes/api-tokens.ts";
import { appHandlers } from "./routes/apps.ts";
import { auditHandlers } from "./routes/audit.ts";
import { authHandlers } from "./routes/auth.ts";
import { diffHandlers } from "./routes/diff.ts";
import { eventHandlers } from "./routes/events.ts";
import { hubKeyHandlers } from "./routes/hub-key.ts";
import { nodeHandlers } from "./routes/nodes.ts";
import { policyHandlers } from "./routes/policies.ts";
import { registryHandlers } from "./routes/registries.ts";
import { roleHandlers } from "./routes/roles.ts";
import { rolloutHandlers } from "./routes/rollouts.ts";
import { sessionHandlers } from "./routes/session.ts";
import { setUpHandlers } from "./routes/set-up.ts";
import { systemHandlers } from "./routes/system.ts";
import { tokenHandlers } from "./routes/tokens.ts";
import { userHandlers } from "./routes/users.ts";
import { valueHandlers } from "./routes/values.ts";
import { wishHandlers } from "./routes/wishes.ts";
import { workloadHandlers } from "./routes/workloads.ts";

export function jsonHandlers(deps: HttpDeps, accounts: Accounts): Handlers {
  return {
    ...appHandlers(deps),
    ...diffHandlers(deps),
    ...rolloutHandlers(deps),
    ...workloadHandlers(deps),
    ...nodeHandlers(deps),
    ...tokenHandlers(deps),
    ...hubKeyHandlers(deps),
    ...apiTokenHandlers(deps),
    ...roleHandlers(deps),
    ...policyHandlers(deps),
    ...authHandlers(deps),
    ...userHandlers(deps, accounts),
    ...sessionHandlers(deps, accounts),
    ...setUpHandlers(deps, accounts),
    ...eventHandlers(deps),
    ...auditHandlers(deps),
    ...systemHandlers(deps),
    ...wishHandlers(deps),
    ...valueHandlers(deps),
    ...registryHandlers(deps),
  };
}
