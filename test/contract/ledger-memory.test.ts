// The simulator's ledger keeps the contract.
import { MemoryDisk, openMemoryLedger } from "@skerry/agent/ledger/memory.ts";
import { ledgerContract } from "./ledger.ts";

ledgerContract("the simulator's disk", () => {
  const disk = new MemoryDisk();
  return {
    open: () => openMemoryLedger(disk),
    powerCut: () => undefined,
    damage: () => disk.damage(),
    space: (there) => {
      disk.onCommit = () => (there ? "written" : "full");
    },
    cleanUp: () => undefined,
  };
});
