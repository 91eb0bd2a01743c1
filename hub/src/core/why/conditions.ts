// What to do about each condition of a node. Pure. Its message says what is wrong; this says where to look, with a command if there is one.
import type { Condition } from "@skerry/shared/model/node.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import { type Ground, ground } from "./account.ts";

export const conditionGround = (condition: Condition, node: string): Ground =>
  ground(condition.kind, condition.message, conditionHint(condition.kind, node));

function conditionHint(kind: Condition["kind"], node: string): string | null {
  switch (kind) {
    case "engine-unreachable":
      return `On ${node}: systemctl status docker`;
    case "disk-pressure":
    case "inode-pressure":
    case "disk-full":
      return `On ${node}: docker system df shows what takes the room, docker image prune -a frees unused images.`;
    case "memory-pressure":
      return `On ${node}: docker stats shows who takes it.`;
    case "clock-unsynchronised":
      return `On ${node}: timedatectl`;
    case "temperature":
      return `See to the cooling of ${node}.`;
    case "under-voltage":
      return `See to the power supply and the cable of ${node}.`;
    case "memory-limits-not-enforced":
      return `On ${node}: add "cgroup_enable=memory" to /boot/firmware/cmdline.txt and reboot.`;
    case "safe-mode":
      return `See to the power of ${node} (journalctl --list-boots there). To end it at once, on ${node}: skerry agent safe-mode off`;
    case "assignment-refused":
      return `On ${node}: skerry agent status`;
    case "clone-detected":
      return "Was its disk copied? Join one of the two machines anew.";
    case "key-revoked":
      return `On ${node}: remove the agent's data folder and join it anew, if it is still yours.`;
    case "wrong-installation":
      return `On ${node}: join it to this hub with a new token, or point it at its own hub.`;
    case "foreign-label":
    case "unexplained-container":
      return `On ${node}: remove that container if nobody needs it.`;
    case "ledger-rebuilt":
    case "outbox-gap":
      return null;
    default:
      return assertNever(kind);
  }
}
