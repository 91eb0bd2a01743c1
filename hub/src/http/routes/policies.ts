// Policies: set, read, removed, and asked what they would refuse. A change stops nothing that runs; the answer says what a further change
// of it would meet.
import type { Policy } from "@skerry/shared/policy/policy.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { PolicyCommand } from "../../core/command.ts";
import { checkApps } from "../../core/policy/check.ts";
import type { World } from "../../core/world.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import type { ChangedPolicy, PolicyView, RemovedPolicy, ViolationView } from "../schemas/policies.ts";
import { refusalError, write } from "../write.ts";

type PolicyRoutes = "listPolicies" | "getPolicy" | "setPolicy" | "removePolicy" | "checkPolicies";

export function policyHandlers(deps: HttpDeps): HandlersOf<PolicyRoutes> {
  return {
    listPolicies: () => ({ items: [...deps.loop.world.policies.values()].map(policyView) }),
    getPolicy: ({ params }) => {
      const policy = deps.loop.world.policies.get(params.policy);
      if (policy !== undefined) return policyView(policy);
      throw new HttpError("policy-not-found", `There is no policy ${params.policy}.`, { path: "policy" });
    },
    setPolicy: ({ params: { policy: name }, body: { policy: fields, ifRevision, dryRun }, request }) => {
      const command = { kind: "set-policy", name, fields, ifRevision } as const;
      if (dryRun) return setAnswer(deps.loop.world, preview(deps, command), true);
      return write(deps, request, () => ({ command, answer: (outcome) => setAnswer(deps.loop.world, outcome, false) }));
    },
    removePolicy: ({ params: { policy: name }, query, request }) => {
      const command = { kind: "remove-policy", name, ifRevision: query.ifRevision ?? null } as const;
      const answer = (dryRun: boolean): RemovedPolicy => ({
        ...{ name, dryRun, violations: violationsIn(withPolicy(deps.loop.world, name, null)) },
      });
      if (!query.dryRun) return write(deps, request, () => ({ command, answer: () => answer(false) }));
      preview(deps, command);
      return answer(true);
    },
    checkPolicies: () => ({ violations: violationsIn(deps.loop.world) }),
  };
}

function preview(deps: HttpDeps, command: PolicyCommand) {
  const previewed = deps.loop.preview(command, { actor: "admin", freshToken: null });
  if (!previewed.ok) throw refusalError(command, previewed.error);
  return previewed.value.outcome;
}

/** The answer may be made before the commit, so it looks at the policies as they will be. */
function setAnswer(world: World, outcome: ReturnType<typeof preview>, dryRun: boolean): ChangedPolicy {
  assert(outcome.kind === "policy-changed", "set-policy made something else");
  const { policy, changed } = outcome;
  const violations = violationsIn(withPolicy(world, policy.name, policy));
  return { ...policyView(policy), changed, dryRun, violations };
}

function withPolicy(world: World, name: string, policy: Policy | null): World {
  const policies = new Map(world.policies);
  if (policy === null) policies.delete(name);
  else policies.set(name, policy);
  return { ...world, policies };
}

function violationsIn(world: World): ViolationView[] {
  return checkApps(world).map(({ app, service, node, violation, enforced }) => {
    const found = node === null ? undefined : world.nodes.get(node);
    const where = found === undefined ? null : { id: found.id, name: found.name };
    return { app, service, node: where, ...violation, enforced };
  });
}

const policyView = ({ name, revision, profile, mode, apps, nodeLabels, grants, rules }: Policy): PolicyView => ({
  ...{ name, revision, profile, mode, apps, nodeLabels, grants, rules },
});
