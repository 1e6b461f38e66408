"""``nanonet train``: one run, or with ``-m`` a sweep of Hydra's."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from nanonet.cli.folders import announce, output_folder
from nanonet.cli.main import Call

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(call: Call) -> None:
    """Train one network, or one for each combination of a sweep; prints the folder last.

    Raises
    ------
    InputError
        For anything that the user can mend.
    """
    if call.sweep:
        sweep(call)
        return
    from nanonet.configuration import compose
    from nanonet.train.run import train

    config = compose("train", call.words, call.own)
    output = output_folder(config.output, "train")
    announce(output)
    told = [word for word in call.words if not word.startswith("output=")]
    print(train(config, output, command=" ".join(["nanonet train", *told])))


def sweep(call: Call) -> None:
    """Let Hydra run every combination, each in a folder of its own below ``output``."""
    import hydra

    from nanonet.configuration import compose, config_folder
    from nanonet.configuration.compose import own_folders, prepare
    from nanonet.train.sweep import tabulate

    named = dict(word.split("=", 1) for word in call.words if "=" in word).get("output")
    words = [word for word in call.words if not word.startswith("output=")]
    output = output_folder(named, "sweep")
    compose("train", [first_choice(word) for word in words if "(" not in word], call.own)
    announce(output)
    search = [f"--config-dir={folder.resolve()}" for folder in own_folders("train", call.own)[:1]]
    # Hydra's own files and lines stay out: each run's folder is the run's alone, and says all that is needed.
    quiet = ["hydra.output_subdir=null", "hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]
    sys.argv = ["train", "--multirun", *search, *prepare(words), f"hydra.sweep.dir={output}", *quiet]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that errors reach us and not Hydra's printer
    launch: Any = hydra.main(
        version_base="1.3", config_path=str(config_folder("train")), config_name="config"
    )
    launch(sweep_job)()
    table = tabulate(output, [word.partition("=")[0] for word in words if first_choice(word) != word])
    print(table.to_string(index=False, float_format="%.4g"))
    print(output)


def first_choice(word: str) -> str:
    """Return ``key=16`` for the sweep ``key=16,32``; lists and quoted texts stay as they are."""
    key, equals, value = word.partition("=")
    return word if value[:1] in "[{'\"" else f"{key}{equals}{value.split(',')[0]}"


def sweep_job(config: DictConfig) -> None:
    """Train the network of one combination in the folder that Hydra made for it."""
    from pathlib import Path

    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from nanonet.configuration import check
    from nanonet.train.run import train

    output = Path(HydraConfig.get().runtime.output_dir)
    OmegaConf.resolve(config)
    check(config)
    train(config, output)
