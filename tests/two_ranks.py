"""One process of two that train one model. ``python two_ranks.py RANK FOLDER`` writes FOLDER/RANK.json."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from pytest_robustness.errors import GateFailed
from pytest_robustness.evaluate.runtime.ranks import on_rank_zero
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from tests.evaluate import nets
from tests.test_training import monitor


def interrupted() -> None:
    raise KeyboardInterrupt("enough")


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), 2)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=120))
    inner = nets.tiny().train()
    forwards = []
    inner.register_forward_hook(lambda *_: forwards.append(1))
    model = DistributedDataParallel(inner)
    kept = folder / "best.safetensors"
    watch = monitor(checkpoint=kept, baselines=folder / "none")
    said = {"values": watch.after_epoch(model), "forwards": len(forwards)}
    try:
        watch.finish(model)
    except GateFailed as failed:
        said["failed"] = list(failed.verdicts)
    for name, work in {"broken": lambda: monitor().after_epoch(nn.ReLU()), "interrupted": interrupted}.items():
        try:
            on_rank_zero(work) if work is interrupted else work()
        except BaseException as error:
            said[name] = f"{type(error).__name__}: {error}"
    (folder / f"{rank}.json").write_text(json.dumps(said))
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
