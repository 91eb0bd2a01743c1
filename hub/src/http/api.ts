// Request and response shapes of every route, under the names of `routes.ts`. The server checks both with these, and the OpenAPI
// document is made from them. Types for callers: `RequestOf<"applyApp">`, `ResponseOf<"applyApp">`.
import type * as z from "zod";
import type { RouteName } from "./routes.ts";
import * as apps from "./schemas/apps.ts";
import * as audit from "./schemas/audit.ts";
import { noBodySchema } from "./schemas/common.ts";
import * as diffs from "./schemas/diff.ts";
import * as events from "./schemas/events.ts";
import * as hubKey from "./schemas/hub-key.ts";
import * as logs from "./schemas/logs.ts";
import * as nodes from "./schemas/nodes.ts";
import * as people from "./schemas/people.ts";
import * as policies from "./schemas/policies.ts";
import * as rollouts from "./schemas/rollouts.ts";
import * as system from "./schemas/system.ts";
import * as tokens from "./schemas/tokens.ts";
import * as users from "./schemas/users.ts";
import * as values from "./schemas/values.ts";
import * as wishes from "./schemas/wishes.ts";
import * as workloads from "./schemas/workloads.ts";

export interface RouteShapes {
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Of status 200. Absent for routes that answer with other things than JSON. */
  readonly response?: z.ZodType;
  /** Statuses of errors beyond the usual (400, 401, 403, 404, 503). */
  readonly errors?: readonly number[];
}

/** Of a write with a body. */
const WRITES = [409, 413, 415, 422, 507] as const;

export const api = {
  getHealth: { response: system.healthSchema },
  getMetrics: {},
  getOpenapi: {},
  getVersion: { response: system.versionSchema },

  applyApp: {
    params: apps.appParams,
    body: apps.applyBodySchema,
    response: apps.applyAnswerSchema,
    errors: WRITES,
  },
  listApps: { query: apps.listAppsQuery, response: apps.appPageSchema },
  getApp: { params: apps.appParams, response: apps.appViewSchema },
  removeApp: {
    params: apps.appParams,
    query: apps.removeAppQuery,
    response: apps.removedAppSchema,
    errors: [409, 422, 507],
  },
  stopApp: { params: apps.appParams, body: wishes.targetBodySchema, response: wishes.wishedSchema, errors: WRITES },
  startApp: { params: apps.appParams, body: wishes.targetBodySchema, response: wishes.wishedSchema, errors: WRITES },
  restartApp: { params: apps.appParams, body: wishes.targetBodySchema, response: wishes.wishedSchema, errors: WRITES },
  pauseApp: { params: apps.appParams, body: wishes.pauseBodySchema, response: wishes.wishedSchema, errors: WRITES },
  unpauseApp: { params: apps.appParams, body: wishes.pauseBodySchema, response: wishes.wishedSchema, errors: WRITES },
  scaleApp: { params: apps.appParams, body: wishes.scaleBodySchema, response: wishes.scaledSchema, errors: WRITES },
  listRevisions: { params: apps.appParams, query: apps.listRevisionsQuery, response: apps.revisionPageSchema },
  getRevision: { params: apps.revisionParams, response: apps.revisionViewSchema },
  getRollout: { params: apps.appParams, response: rollouts.rolloutViewSchema },
  listRollouts: { params: apps.appParams, response: rollouts.rolloutListSchema },
  pauseRollout: {
    params: apps.appParams,
    body: rollouts.pauseRolloutBodySchema,
    response: rollouts.rolloutChangedSchema,
    errors: WRITES,
  },
  resumeRollout: {
    params: apps.appParams,
    body: rollouts.resumeRolloutBodySchema,
    response: rollouts.rolloutChangedSchema,
    errors: WRITES,
  },
  undoRollout: {
    params: apps.appParams,
    body: rollouts.undoRolloutBodySchema,
    response: rollouts.rolloutChangedSchema,
    errors: WRITES,
  },
  diffRevisions: { params: apps.appParams, query: diffs.diffQuery, response: diffs.revisionDiffSchema },

  getLogs: { params: apps.appParams, query: logs.logsQuery, errors: [422, 429] },

  getHubKey: { response: hubKey.hubKeySchema },
  prepareHubKey: { body: noBodySchema, response: hubKey.hubKeySchema, errors: [422, 507] },
  switchHubKey: { body: hubKey.switchHubKeyBodySchema, response: hubKey.hubKeySchema, errors: [413, 415, 422, 507] },

  listWorkloads: { query: workloads.listWorkloadsQuery, response: workloads.workloadPageSchema },

  listNodes: { query: nodes.listNodesQuery, response: nodes.nodePageSchema },
  getNode: { params: nodes.nodeParams, response: nodes.nodeViewSchema },
  changeNode: {
    params: nodes.nodeParams,
    body: nodes.changeNodeBodySchema,
    response: nodes.changedNodeSchema,
    errors: [413, 415, 422, 507],
  },
  setAvailability: {
    params: nodes.nodeParams,
    body: nodes.setAvailabilityBodySchema,
    response: nodes.changedNodeSchema,
    errors: [413, 415, 422, 507],
  },
  removeNode: {
    params: nodes.nodeParams,
    query: nodes.removeNodeQuery,
    response: nodes.removedNodeSchema,
    errors: [422, 507],
  },
  approveNode: {
    params: nodes.nodeParams,
    body: noBodySchema,
    response: nodes.standingViewSchema,
    errors: [422, 507],
  },
  unfreezeNode: {
    params: nodes.nodeParams,
    body: noBodySchema,
    response: nodes.standingViewSchema,
    errors: [422, 507],
  },
  rollNodeKey: {
    params: nodes.nodeParams,
    body: noBodySchema,
    response: nodes.keyRollAnswerSchema,
    errors: [422, 507],
  },
  revokeNode: {
    params: nodes.nodeParams,
    body: noBodySchema,
    query: nodes.removeNodeQuery,
    response: nodes.revokedNodeSchema,
    errors: [422, 507],
  },
  joinNode: { body: nodes.joinBodySchema, response: nodes.joinedSchema, errors: [409, 413, 415, 429, 507] },

  createToken: {
    body: tokens.createTokenBodySchema,
    response: tokens.createdTokenSchema,
    errors: [413, 415, 422, 507],
  },
  listTokens: { query: tokens.listTokensQuery, response: tokens.tokenPageSchema },
  removeToken: { params: tokens.tokenParams, response: tokens.removedTokenSchema, errors: [422, 507] },

  createApiToken: {
    body: people.createApiTokenBodySchema,
    response: people.createdApiTokenSchema,
    errors: [413, 415, 422, 507],
  },
  listApiTokens: { query: people.listApiTokensQuery, response: people.apiTokenPageSchema },
  removeApiToken: { params: people.apiTokenParams, response: people.removedApiTokenSchema, errors: [422, 507] },
  listRoles: { response: people.roleListSchema },
  setRole: {
    params: people.roleParams,
    body: people.setRoleBodySchema,
    response: people.changedRoleSchema,
    errors: [413, 415, 422, 507],
  },
  removeRole: { params: people.roleParams, response: people.removedRoleSchema, errors: [422, 507] },
  listPolicies: { response: policies.policyListSchema },
  getPolicy: { params: policies.policyParams, response: policies.policyViewSchema },
  setPolicy: {
    params: policies.policyParams,
    body: policies.setPolicyBodySchema,
    response: policies.changedPolicySchema,
    errors: WRITES,
  },
  removePolicy: {
    params: policies.policyParams,
    query: policies.removePolicyQuery,
    response: policies.removedPolicySchema,
    errors: [409, 422, 507],
  },
  checkPolicies: { response: policies.policyCheckSchema },
  addUser: { body: users.addUserBodySchema, response: users.changedUserSchema, errors: WRITES },
  listUsers: { query: users.listUsersQuery, response: users.userPageSchema },
  setUserRole: {
    params: users.userParams,
    body: users.setUserRoleBodySchema,
    response: users.changedUserSchema,
    errors: WRITES,
  },
  setUserEnabled: {
    params: users.userParams,
    body: users.setUserEnabledBodySchema,
    response: users.changedUserSchema,
    errors: WRITES,
  },
  setUserPassword: {
    params: users.userParams,
    body: users.setUserPasswordBodySchema,
    response: users.changedUserSchema,
    errors: WRITES,
  },
  resetSecondFactor: { params: users.userParams, response: users.changedUserSchema, errors: [422, 507] },
  removeUser: { params: users.userParams, response: users.removedUserSchema, errors: [422, 507] },
  logIn: { body: users.logInBodySchema, response: users.loggedInSchema, errors: WRITES },
  logOut: { query: users.logOutQuery, response: users.loggedOutSchema, errors: [422, 507] },
  changePassword: {
    body: users.changePasswordBodySchema,
    response: users.changedPasswordSchema,
    errors: WRITES,
  },
  beginSecondFactor: {
    body: users.passwordBodySchema,
    response: users.begunSecondFactorSchema,
    errors: WRITES,
  },
  confirmSecondFactor: {
    body: users.confirmSecondFactorBodySchema,
    response: users.recoveryCodesSchema,
    errors: WRITES,
  },
  removeSecondFactor: { body: users.passwordBodySchema, response: users.secondFactorSchema, errors: WRITES },
  renewRecoveryCodes: { body: users.passwordBodySchema, response: users.recoveryCodesSchema, errors: WRITES },
  setUp: { body: users.setUpBodySchema, response: users.setUpAnswerSchema, errors: WRITES },
  getSetupPage: {},
  getSetupScript: {},
  getSetupStyle: {},
  whoami: { response: people.whoamiSchema },
  canI: { query: people.canIQuery, response: people.canISchema },

  setSecret: {
    params: values.secretParams,
    body: values.setValueBodySchema,
    response: values.valueSetSchema,
    errors: [413, 415, 422, 507],
  },
  listSecrets: { response: values.valueListSchema },
  removeSecret: { params: values.secretParams, response: values.removedValueSchema, errors: [422, 507] },
  rotateSecretKeys: { body: noBodySchema, response: values.rotatedSchema, errors: [422, 507] },
  setRegistry: {
    params: values.registryParams,
    body: values.setRegistryBodySchema,
    response: values.registrySetSchema,
    errors: [413, 415, 422, 507],
  },
  listRegistries: { response: values.registryListSchema },
  removeRegistry: { params: values.registryParams, response: values.removedRegistrySchema, errors: [422, 507] },
  setConfig: {
    params: values.configParams,
    body: values.setValueBodySchema,
    response: values.valueSetSchema,
    errors: [413, 415, 422, 507],
  },
  listConfigs: { response: values.valueListSchema },
  getConfig: { params: values.configParams, query: values.getConfigQuery, response: values.configSchema },
  removeConfig: { params: values.configParams, response: values.removedValueSchema, errors: [422, 507] },

  why: { params: system.whyParams, response: system.whySchema },
  listEvents: { query: events.listEventsQuery, response: events.eventPageSchema },
  listAudit: { query: audit.listAuditQuery, response: audit.auditPageSchema },
  watch: { query: events.watchQuery, errors: [410, 429] },
} as const satisfies Record<RouteName, RouteShapes>;

type Input<S> = S extends z.ZodType ? z.input<S> : undefined;
type Output<S> = S extends z.ZodType ? z.output<S> : undefined;
type Part<N extends RouteName, P extends keyof RouteShapes> = (typeof api)[N] extends { readonly [K in P]: infer S }
  ? S
  : undefined;

/** What a caller sends: defaults may be left out. */
export interface RequestOf<N extends RouteName> {
  readonly params: Input<Part<N, "params">>;
  readonly query: Input<Part<N, "query">>;
  readonly body: Input<Part<N, "body">>;
}
/** What a handler gets: checked, defaults filled in. */
export interface CheckedOf<N extends RouteName> {
  readonly params: Output<Part<N, "params">>;
  readonly query: Output<Part<N, "query">>;
  readonly body: Output<Part<N, "body">>;
}
export type ResponseOf<N extends RouteName> = Output<Part<N, "response">>;
