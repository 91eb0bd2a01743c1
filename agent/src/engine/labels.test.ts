// Labels that were sealed, changed, copied and made up.
import type {
  AppName,
  InstallationId,
  NodeId,
  ServiceName,
  Slot,
  SpecHash,
  WorkloadId,
} from "@skerry/shared/model/ids.ts";
import { labelSecretOf } from "@skerry/shared/runtime/label-secret.ts";
import { describe, expect, test } from "vitest";
import { containerLabels, LABEL, labelKey, objectLabels, readContainerLabels, readObjectLabels } from "./labels.ts";

// Brands by their schemas' patterns.
const identity = {
  installation: "i0123456789abcdef" as InstallationId,
  node: "n0123456789abcdef" as NodeId,
  privateKey: "secret",
  labelSecret: null,
};
const key = labelKey(identity);
const workload = {
  ...{ id: "shop/web/1" as WorkloadId, app: "shop" as AppName, service: "web" as ServiceName, slot: "1" as Slot },
  ...{ revision: 3, fencingToken: 7, specHash: "a".repeat(64) as SpecHash },
};
const labels = containerLabels(key, workload, "shop-web-1", "memory=0");

describe("labels", () => {
  test("[N351] what was sealed under the node's first key is read under any that came after it, and the other way round", () => {
    const after = labelKey({ ...identity, privateKey: "other", labelSecret: labelSecretOf(identity.privateKey) });
    expect(readContainerLabels(after, labels).kind).toBe("ours");
    const made = containerLabels(after, workload, "shop-web-1", "memory=0");
    expect(readContainerLabels(key, made).kind).toBe("ours");
    expect(readContainerLabels(labelKey({ ...identity, privateKey: "other" }), labels).kind).toBe("forged");
  });

  test("[E41] what was sealed is read back whole, whatever other labels stand beside", () => {
    expect(readContainerLabels(key, { ...labels, "com.example.other": "x" })).toEqual({
      kind: "ours",
      own: {
        ...{ app: "shop", service: "web", slot: "1", workload: "shop/web/1", revision: 3, specHash: workload.specHash },
        ...{ limits: "memory=0", name: "shop-web-1", fencingToken: 7 },
      },
    });
  });

  test.each(Object.values(LABEL).filter((name) => name !== LABEL.node && name !== LABEL.installation))(
    "[E42] a changed or missing %s is seen",
    (name) => {
      expect(readContainerLabels(key, { ...labels, [name]: "other" }).kind).toBe("forged");
      const { [name]: _, ...without } = labels;
      expect(readContainerLabels(key, without).kind).toBe("forged");
    },
  );

  test("[E43] an added label of our prefix, the seal of another node and that of another kind of object are seen", () => {
    expect(readContainerLabels(key, { ...labels, "io.skerry.more": "x" }).kind).toBe("forged");
    const other = labelKey({ ...identity, privateKey: "other" });
    expect(readContainerLabels(other, labels).kind).toBe("forged");
    const network = objectLabels(key, "network", workload.app, "shop_default");
    expect(readContainerLabels(key, network).kind).toBe("forged");
    expect(readObjectLabels(key, "volume", "shop_default", network)).toBe("forged");
    expect(readObjectLabels(key, "network", "shop_other", network)).toBe("forged");
    expect(readObjectLabels(key, "network", "shop_default", network)).toBe("ours");
  });

  test("[E44] what is another node's, another installation's or nobody's is foreign, not forged", () => {
    expect(readContainerLabels(key, {}).kind).toBe("foreign");
    expect(readContainerLabels(labelKey({ ...identity, node: "nffffffffffffffff" as NodeId }), labels).kind).toBe(
      "foreign",
    );
    const elsewhere = labelKey({ ...identity, installation: "iffffffffffffffff" as InstallationId });
    expect(readContainerLabels(elsewhere, labels).kind).toBe("foreign");
  });

  test("[E45] labels say nothing about the node's key", () => {
    expect(JSON.stringify(labels)).not.toContain("secret");
  });
});
